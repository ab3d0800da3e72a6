import Foundation

/// The best method for every text and size as a small table.
public enum WinnersTable {
  /// A Markdown table to quote: texts down, sizes across; `–` where no method has a finite perplexity.
  ///
  /// - Returns: lines joined and ended by a newline; empty where nothing was measured.
  public static func markdown(_ comparison: MethodComparison) -> String {
    let targets = comparison.keepTargets
    guard !targets.isEmpty, !comparison.texts.isEmpty else { return "" }
    let rows = comparison.texts.indices.map { text in
      [label(comparison.texts[text])]
        + entries(comparison, text: text).map { entry in
          entry.map { "\($0.method) \($0.numbers)" } ?? NumberText.unknown
        }
    }
    return table(["text"], targets, rows)
  }

  /// What methods lose in log-perplexity against the dense model, as a share of what the best of the others loses, for every
  /// text and size: `0.68 of numerical`.
  ///
  /// - Parameters:
  ///   - own: names of the methods, a row each per text.
  ///   - others: names of those they are held against.
  /// - Returns: as `markdown`; empty where there is nothing to compare.
  public static func losses(_ comparison: MethodComparison, of own: [String], against others: [String]) -> String {
    let targets = comparison.keepTargets
    func loss(_ method: String, _ target: Double, _ text: Int) -> Double? {
      comparison.cell(method, target).flatMap { comparison.ratioToDense($0, text: text) }.map { log($0) }
        .flatMap { $0.isFinite ? $0 : nil }
    }
    let rows = comparison.texts.indices.flatMap { text in
      own.map { method in
        [comparison.texts[text].name, method]
          + targets.map { target in
            let best = others.compactMap { name in loss(name, target, text).map { (name, $0) } }.min { $0.1 < $1.1 }
            guard let mine = loss(method, target, text), let best, best.1 > 0 else { return NumberText.unknown }
            return String(format: "%.2f of %@", mine / best.1, best.0)
          }
      }
    }
    if rows.isEmpty || targets.isEmpty || others.isEmpty { return "" }
    return table(["text", "method"], targets, rows)
  }

  private static func table(_ head: [String], _ targets: [Double], _ rows: [[String]]) -> String {
    let titles = head + targets.map { "\(ComparisonGrid.size($0)) kept" }
    return ([titles, titles.map { _ in "---" }] + rows).map { cells in
      "| " + cells.map(escaped).joined(separator: " | ") + " |\n"
    }.joined()
  }

  /// `wiki.txt (dense 34.81)`.
  static func label(_ text: MethodComparison.EvaluationText) -> String {
    "\(text.name) (dense \(NumberText.large(text.densePerplexity)))"
  }

  /// The winner and its numbers, `45.73 (×1.31)`, for every size, largest first; nil where there is none.
  static func entries(_ comparison: MethodComparison, text: Int) -> [(method: String, numbers: String)?] {
    let winners = comparison.winners
    return comparison.keepTargets.map { target in
      winners.first { $0.text == text && $0.keepTarget == target }.map { winner in
        let ratio = winner.ratioToDense.map { " (×\(NumberText.large($0)))" } ?? ""
        return (winner.method, NumberText.large(winner.perplexity) + ratio)
      }
    }
  }

  private static func escaped(_ text: String) -> String {
    TerminalText.safe(text).replacing("\\", with: "\\\\").replacing("|", with: "\\|")
  }
}
