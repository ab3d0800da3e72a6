import Checkpoints
import Foundation

/// A table as RFC 4180 has it: UTF-8 without a byte order mark, lines ended by a single line feed.
enum CSVTable {
  /// - Parameter rows: members as they stand in the JSON document; a column takes the one of its name.
  static func data(_ columns: [String], _ rows: [[String: JSONValue]]) -> Data {
    let lines = [columns] + rows.map { row in columns.map { text(row[$0] ?? .null) } }
    return Data(lines.map { $0.map(field).joined(separator: ",") + "\n" }.joined().utf8)
  }

  /// Numbers read back exactly; NaN and what was not measured are empty, lists are separated by spaces.
  private static func text(_ value: JSONValue) -> String {
    switch value {
    case .null, .object, .members: ""
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .number(let value): value.isNaN ? "" : "\(value)"
    case .string(let value): value
    case .array(let values): values.map(text).joined(separator: " ")
    }
  }

  static func field(_ text: String) -> String {
    let special = text.unicodeScalars.contains { $0 == "," || $0 == "\"" || $0 == "\n" || $0 == "\r" }
    return special ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
  }
}

/// `front.csv`: the front, the dense model and the baselines as rows, for spreadsheets and data frames.
///
/// Widths are lists, first layer first.
public enum FrontCSV {
  /// One column an objective, named as the objective is, and one for its standard error if it is of a sample.
  static func header(_ report: StudyReport) -> [String] {
    ["kind", "point", "trial", "keep_ratio", "total_parameters", "block_parameters"]
      + report.columns.flatMap { $0.isSampled ? [$0.name, "\($0.name)_stderr"] : [$0.name] }
      + ["ratio_to_dense", "score", "calibration", "best", "knee", "kv_groups", "mlp_channels"]
  }

  /// Rows: the front in order of point numbers (`kind` is `front`), then `dense`, then every baseline by its label.
  public static func data(_ report: StudyReport) -> Data {
    func row(_ kind: String, _ members: [String: JSONValue]) -> [String: JSONValue] {
      members.merging(members["widths"]?.object ?? [:]) { $1 }.merging(["kind": .string(kind)]) { $1 }
    }
    let rows =
      report.front.map { row("front", FrontJSON.members($0, in: report)) }
      + [row("dense", FrontJSON.measured(report.dense, in: report))]
      + report.baselines.map { row($0.label, FrontJSON.members($0, in: report)) }
    return CSVTable.data(header(report), rows)
  }
}

/// `comparison.csv`: a row for every method, size and text, for spreadsheets and data frames.
///
/// The long form: what belongs to a cell (KL, seconds, memory) is repeated on the row of every text, so that any
/// selection of rows is complete. An infinite value is `inf`. A failed cell has its rows too, with the reason in
/// `failure`.
public enum ComparisonCSV {
  /// With four columns for each metric of a task.
  static func header(_ comparison: MethodComparison) -> [String] {
    columns
      + (comparison.tasks ?? []).flatMap { task in
        ["value", "stderr", "difference", "difference_stderr"].map { "\(task.name)_\($0)" }
      }
  }

  static let columns = [
    "method", "uses_gradients", "text", "windows", "window_length", "tokens", "keep_target", "keep_ratio",
    "total_parameters", "block_parameters", "perplexity", "dense_perplexity", "ratio_to_dense", "best", "kl", "repair",
    "score_seconds", "search_seconds", "repair_seconds", "peak_bytes", "failure",
  ]

  /// Rows: method by method in order of the table, largest size first, texts in their order. `best` is whether the
  /// method has the lowest perplexity of all at this size on this text.
  public static func data(_ comparison: MethodComparison) -> Data {
    let winners = comparison.winners
    let rows = comparison.methods.flatMap { method in
      comparison.keepTargets.compactMap { comparison.cell(method.name, $0) }.flatMap { cell in
        comparison.texts.indices.map { text in
          let isBest = winners.contains {
            $0.text == text && $0.keepTarget == cell.keepTarget && $0.method == method.name
          }
          let tasks = zip(comparison.tasks ?? [], cell.scores ?? []).flatMap { task, value in
            Array(ComparisonJSON.members(value, prefix: "\(task.name)_"))
          }
          return ComparisonJSON.members(cell).merging(ComparisonJSON.members(comparison.texts[text])) { $1 }.merging(
            tasks.map { ($0.key, $0.value) }
          ) { $1 }.merging([
            "method": .string(method.name), "uses_gradients": .bool(method.usesGradients),
            "text": .string(comparison.texts[text].name), "best": .bool(isBest),
            "perplexity": .optional(comparison.perplexity(cell, text: text)),
            "ratio_to_dense": .optional(comparison.ratioToDense(cell, text: text)),
          ]) { $1 }
        }
      }
    }
    return CSVTable.data(header(comparison), rows)
  }
}
