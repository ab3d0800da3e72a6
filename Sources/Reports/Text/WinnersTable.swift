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
    let header = [["text"] + targets.map { "\(ComparisonGrid.size($0)) kept" }]
    let lines = (header + [Array(repeating: "---", count: targets.count + 1)] + rows).map { cells in
      "| " + cells.map(escaped).joined(separator: " | ") + " |"
    }
    return lines.joined(separator: "\n") + "\n"
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
