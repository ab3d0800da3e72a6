import Foundation

/// `comparison.csv`: a row for every method, size and text, for spreadsheets and data frames.
///
/// The long form: what belongs to a cell (KL, seconds, memory) is repeated on the row of every text, so that any selection
/// of rows is complete. Written as `FrontCSV` is; a value that was not measured, or is NaN, is an empty field, an infinite
/// one is `inf`. A failed cell has its rows too, with the reason in `failure`.
public enum ComparisonCSV {
  static let header = [
    "method", "uses_gradients", "text", "windows", "window_length", "tokens", "keep_target", "keep_ratio",
    "total_parameters",
    "block_parameters", "perplexity", "dense_perplexity", "ratio_to_dense", "best", "kl", "repair", "score_seconds",
    "search_seconds", "repair_seconds", "peak_bytes", "failure",
  ]

  /// Rows: method by method in order of the table, largest size first, texts in their order. `best` is whether the
  /// method has the lowest perplexity of all at this size on this text.
  public static func data(_ comparison: MethodComparison) -> Data {
    let winners = comparison.winners
    var rows = [header]
    for method in comparison.methods {
      for size in comparison.keepTargets {
        guard let cell = comparison.cell(method.name, size) else { continue }
        for text in comparison.texts.indices {
          let isBest = winners.contains { $0.text == text && $0.keepTarget == size && $0.method == method.name }
          rows.append(row(comparison, method, cell, text, isBest: isBest))
        }
      }
    }
    return Data(rows.map { $0.map(FrontCSV.field).joined(separator: ",") + "\n" }.joined().utf8)
  }

  private static func row(
    _ comparison: MethodComparison, _ method: MethodComparison.Method, _ cell: MethodComparison.Cell, _ index: Int,
    isBest: Bool
  ) -> [String] {
    let number = FrontCSV.number
    let text = comparison.texts[index]
    return [
      method.name, "\(method.usesGradients)", text.name, "\(text.windows)", "\(text.windowLength)", "\(text.tokens)",
      number(cell.keepTarget), number(cell.keepRatio), "\(cell.parametersTotal)", "\(cell.parametersBlock)",
      number(comparison.perplexity(cell, text: index)), number(text.densePerplexity),
      number(comparison.ratioToDense(cell, text: index)), "\(isBest)", number(cell.kl), cell.repair,
      number(cell.scoreSeconds), number(cell.searchSeconds), number(cell.repairSeconds),
      cell.peakBytes.map(String.init) ?? "", cell.failure ?? "",
    ]
  }
}
