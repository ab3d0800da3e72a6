/// One quantity of a comparison as a grid, methods down and sizes across, in the words that terminal and page share.
struct ComparisonGrid: Equatable {
  struct Entry: Equatable {
    /// The numbers, one below the other in a column; a single part may stand in place of several.
    var parts: [String]
    var isBest = false
    /// Why there is no number.
    var failure: String?

    static let absent = Entry(parts: [])
  }

  struct Row: Equatable {
    var method: String
    /// One for each column.
    var entries: [Entry]
  }

  var title: String
  /// Stands between the parts.
  var separator: String
  /// Sizes, largest first.
  var columns: [String]
  var rows: [Row]

  /// Perplexity text by text, then KL divergence, seconds and memory where they are known.
  static func all(_ comparison: MethodComparison) -> [ComparisonGrid] {
    var grids = comparison.texts.indices.map { perplexity(comparison, text: $0) }
    for (number, task) in (comparison.tasks ?? []).enumerated() where task.isPrimary {
      grids.append(self.task(comparison, task, number))
    }
    if comparison.cells.contains(where: { $0.kl != nil }) {
      grids.append(
        grid(comparison, title: "KL to dense (dense: 0), nats a token, on held-out windows", best: \.kl) {
          [NumberText.kl($0.kl)]
        })
    }
    grids.append(
      grid(comparison, title: "Seconds for score (shared stages included) / search / repair", separator: " / ") {
        [$0.scoreSeconds, $0.searchSeconds, $0.repairSeconds].map { NumberText.fixed($0, abs($0) < 9.95 ? 1 : 0) }
      })
    if comparison.cells.contains(where: { $0.peakBytes != nil }) {
      grids.append(grid(comparison, title: "Peak memory of the process") { [NumberText.bytes($0.peakBytes)] })
    }
    return grids
  }

  /// `80 %`, with a decimal only where the size has one.
  static func size(_ keepTarget: Double) -> String {
    let percent = keepTarget * 100
    return NumberText.percent(keepTarget, decimals: abs(percent - percent.rounded()) < 1e-6 ? 0 : 1)
  }

  /// `wiki.txt: dense perplexity 34.81, 40 windows of 512 tokens (20,440 predicted)`.
  static func heading(_ text: MethodComparison.EvaluationText) -> String {
    "\(text.name): dense perplexity \(NumberText.large(text.densePerplexity)), "
      + ReportWords.windows(text.windows, of: text.windowLength, predicted: text.tokens)
  }

  /// A sentence for every cell without numbers.
  static func failures(_ comparison: MethodComparison) -> [String] {
    comparison.methods.flatMap { method in
      comparison.keepTargets.compactMap { target in
        comparison.cell(method.name, target)?.failure.map { "Failed: \(method.name) at \(size(target)): \($0)" }
      }
    }
  }

  // MARK: Quantities

  private static func perplexity(_ comparison: MethodComparison, text: Int) -> ComparisonGrid {
    grid(
      comparison, title: heading(comparison.texts[text]), separator: " ",
      best: { comparison.perplexity($0, text: text) },
      parts: { cell in
        let value = NumberText.large(comparison.perplexity(cell, text: text))
        guard let ratio = comparison.ratioToDense(cell, text: text), ratio.isFinite else { return [value] }
        return [value, "×" + NumberText.large(ratio)]
      })
  }

  /// A metric of a task: the value with its standard error, and the difference to the dense model with that of the differences.
  private static func task(
    _ comparison: MethodComparison, _ task: MethodComparison.EvaluationTask, _ number: Int
  ) -> ComparisonGrid {
    func score(_ cell: MethodComparison.Cell) -> MethodComparison.TaskValue? {
      cell.scores.flatMap { $0.indices.contains(number) ? $0[number] : nil }
    }
    func text(_ value: Double?, _ error: Double?) -> String {
      let number = { (value: Double?) in
        NumberText.fixed(value.map { task.isShare ? 100 * $0 : $0 }, task.isShare ? 1 : 2)
      }
      return number(value) + (error.map { " ± " + number($0) } ?? "")
    }
    return grid(
      comparison,
      title:
        "\(task.task) \(task.metric)\(task.isShare ? " in %" : "") on \(NumberText.grouped(task.items)) items, and difference "
        + "to dense (\(text(task.dense, task.denseError)))", separator: " | ",
      best: { score($0).map { task.isHigherBetter ? -$0.value : $0.value } },
      parts: { cell in
        let found = score(cell)
        return [text(found?.value, found?.standardError), text(found?.difference, found?.differenceError)]
      })
  }

  private static func grid(
    _ comparison: MethodComparison, title: String, separator: String = "",
    best value: (MethodComparison.Cell) -> Double? = { _ in nil }, parts: (MethodComparison.Cell) -> [String]
  ) -> ComparisonGrid {
    let sizes = comparison.keepTargets
    let winners = sizes.map { comparison.best($0, by: value)?.method }
    let rows = comparison.methods.map { method in
      Row(
        method: method.name,
        entries: zip(sizes, winners).map { size, winner in
          guard let cell = comparison.cell(method.name, size) else { return .absent }
          if let failure = cell.failure { return Entry(parts: ["failed"], failure: failure) }
          return Entry(parts: parts(cell), isBest: winner == method.name)
        })
    }
    return ComparisonGrid(
      title: title, separator: separator, columns: sizes.map(size), rows: rows)
  }
}
