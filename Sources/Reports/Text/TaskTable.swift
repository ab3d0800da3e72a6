import Tasks

/// What a model reached in tasks, for a terminal: a line for each metric, then the means with what enters them.
///
/// Shares are in percent; `±` stands before a standard error. The error of a difference is that of the differences item by item.
public enum TaskTable {
  /// - Parameter width: columns of the terminal, for wrapped lines; the table is as wide as it has to be.
  /// - Returns: lines joined and ended by a newline.
  public static func render(_ results: [TaskResult], means: [TaskMean], width: Int = 120) -> String {
    let isCompared = results.contains { $0.scores.contains { $0.dense != nil } }
    let titles = ["task", "items", "metric", "value"] + (isCompared ? ["dense", "difference"] : [])
    var rows = [titles]
    for result in results {
      for score in result.scores {
        let start = [TerminalText.safe(result.task), NumberText.grouped(result.items), score.metric.rawValue]
        rows.append(start + cells(score, isCompared))
      }
      if result.scores.isEmpty {
        rows.append([TerminalText.safe(result.task), NumberText.grouped(result.items), NumberText.unknown])
      }
    }
    for mean in means { rows.append(["mean", "\(mean.parts.count) tasks", ""] + cells(mean, isCompared)) }
    let widths = titles.indices.map { column in
      rows.map { $0.count > column ? TerminalText.columns($0[column]) : 0 }.max() ?? 0
    }
    let lines = rows.map { row in
      TerminalText.line(
        row.enumerated().map { TerminalText.pad($1, to: widths[$0], [0, 2].contains($0) ? .left : .right) })
    }
    return (lines + means.flatMap { notes($0, width: width) }).joined(separator: "\n") + "\n"
  }

  private static func notes(_ mean: TaskMean, width: Int) -> [String] {
    let parts = mean.parts.map { "\($0.task) \($0.metric.rawValue)" }.joined(separator: ", ")
    return TerminalText.wrap("mean of \(parts)", to: max(20, width))
  }

  private static func cells(_ score: TaskScore, _ isCompared: Bool) -> [String] {
    let own = valueText(score.value, score.standardError, score.metric.isShare)
    if !isCompared { return [own] }
    return [
      own, valueText(score.dense, nil, score.metric.isShare),
      valueText(score.difference, score.differenceError, score.metric.isShare),
    ]
  }

  private static func cells(_ mean: TaskMean, _ isCompared: Bool) -> [String] {
    let own = valueText(mean.value, mean.standardError, true)
    if !isCompared { return [own] }
    return [own, valueText(mean.dense, nil, true), valueText(mean.difference, mean.differenceError, true)]
  }

  private static func valueText(_ value: Double?, _ error: Double?, _ isShare: Bool) -> String {
    func number(_ value: Double?) -> String { NumberText.fixed(value.map { isShare ? 100 * $0 : $0 }, isShare ? 2 : 4) }
    let text = number(value) + (error.map { " ± " + number($0) } ?? "")
    return isShare ? text + " %" : text
  }
}
