import Evaluation
import Foundation
import Subnets

/// `front.csv`: the front, the dense model and the baselines as rows, for spreadsheets and data frames.
///
/// RFC 4180 quoting, UTF-8 without a byte order mark, lines ended by a single line feed. Numbers are unrounded with a
/// full stop for decimals; what was not measured is an empty field. Widths are lists separated by spaces, first layer
/// first.
public enum FrontCSV {
  /// One column an objective, named as the objective is.
  static func header(_ report: StudyReport) -> [String] {
    ["kind", "point", "trial", "keep_ratio", "total_parameters", "block_parameters"] + report.columns.map(\.name)
      + ["ratio_to_dense", "score", "calibration", "best", "knee", "kv_groups", "mlp_channels"]
  }

  /// Rows: the front in order of point numbers (`kind` is `front`), then `dense`, then every baseline by its label.
  public static func data(_ report: StudyReport) -> Data {
    var rows = [header(report)]
    for point in report.front {
      rows.append(
        ["front", "\(point.index)", "\(point.trial)"] + measured(point.measurement, in: report)
          + [point.score, point.calibration, "\(point.isBest)", "\(point.isKnee)"] + widths(point.widths))
    }
    rows.append(["dense", "", ""] + measured(report.dense, in: report) + ["", "", "", "", "", ""])
    for baseline in report.baselines {
      rows.append(
        [baseline.label, "", ""] + measured(baseline.measurement, in: report)
          + [baseline.score, baseline.calibration, "", ""] + widths(baseline.widths))
    }
    let lines = rows.map { $0.map(field).joined(separator: ",") + "\n" }
    return Data(lines.joined().utf8)
  }

  private static func measured(_ measurement: SubnetMeasurement, in report: StudyReport) -> [String] {
    [number(measurement.keepRatio), "\(measurement.parametersTotal)", "\(measurement.parametersBlock)"]
      + report.columns.map { number(measurement.values[$0.name]) } + [number(report.ratioToDense(measurement))]
  }

  private static func widths(_ widths: [LayerWidths]) -> [String] {
    [
      widths.map { "\($0.groups)" }.joined(separator: " "),
      widths.map { "\($0.channels)" }.joined(separator: " "),
    ]
  }

  /// The number that reads back exactly; empty where there is none or it is NaN.
  static func number(_ value: Double?) -> String {
    value.map { $0.isNaN ? "" : "\($0)" } ?? ""
  }

  static func field(_ text: String) -> String {
    let special = text.unicodeScalars.contains { $0 == "," || $0 == "\"" || $0 == "\n" || $0 == "\r" }
    return special ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
  }
}
