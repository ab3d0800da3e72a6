import Foundation

/// `front.csv`: the front, the dense model and the baselines as rows, for spreadsheets and data frames.
///
/// RFC 4180 quoting, UTF-8 without a byte order mark, lines ended by a single line feed. Numbers are unrounded with a
/// full stop for decimals; what was not measured is an empty field. Widths are lists separated by spaces, first layer
/// first.
public enum FrontCSV {
  static let header = [
    "kind", "point", "trial", "keep_ratio", "parameters", "parameters_block", "kl", "perplexity", "ratio_to_dense",
    "top1_agreement", "score", "calibration", "best", "knee", "kv_groups", "mlp_channels",
  ]

  /// Rows: the front in order of point numbers (`kind` is `front`), then `dense`, then every baseline by its label.
  public static func data(_ report: StudyReport) -> Data {
    var rows = [header]
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

  private static func measured(_ measurement: PointMeasurement, in report: StudyReport) -> [String] {
    [
      number(measurement.keepRatio), "\(measurement.parametersTotal)", "\(measurement.parametersBlock)",
      number(measurement.kl), number(measurement.perplexity), number(report.ratioToDense(measurement)),
      number(measurement.top1Agreement),
    ]
  }

  private static func widths(_ widths: [LayerWidths]) -> [String] {
    [
      widths.map { "\($0.kvGroups)" }.joined(separator: " "),
      widths.map { "\($0.mlpChannels)" }.joined(separator: " "),
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
