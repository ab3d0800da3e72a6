/// A metric of a task, and how it compares with the dense model's.
public struct TaskScore: Sendable, Equatable {
  public let metric: TaskMetric
  public let value: Double
  /// `nil` for a single item.
  public let standardError: Double?
  /// Of the dense model, if one was measured.
  public let dense: Double?
  /// `value − dense`.
  public var difference: Double? { dense.map { value - $0 } }
  /// The standard error of the difference, from the differences item by item.
  public let differenceError: Double?
}

/// What a model reached in a task.
public struct TaskResult: Sendable, Equatable {
  public let task: String
  public let items: Int
  public let scores: [TaskScore]
  /// The metric that enters means over tasks; `nil` if nothing is measured.
  public let primary: TaskMetric?

  /// - Parameters:
  ///   - answers: one for each item, as are those of the dense model, if there is one.
  public init(_ kind: TaskKind, _ items: [TaskItem], _ answers: [TaskAnswer], dense: [TaskAnswer]? = nil) {
    (task, self.items, primary) = (kind.name, items.count, kind.primary)
    let groups = items.map(\.group)
    scores = kind.metrics.map { metric in
      let own = Sample(metric, items, answers)
      let other = dense.map { Sample(metric, items, $0) }
      return TaskScore(
        metric: metric, value: own.value, standardError: Sample.error(own.influences, groups),
        dense: other?.value,
        differenceError: other.flatMap { other in
          Sample.error(zip(own.influences, other.influences).map { $0 - $1 }, groups)
        })
    }
  }
}

/// The values of items, and what becomes of them.
private struct Sample {
  let value: Double
  /// To first order what each item moves the value by, times their number.
  let influences: [Double]

  init(_ metric: TaskMetric, _ items: [TaskItem], _ answers: [TaskAnswer]) {
    let values = zip(items, answers).map { metric.value($0, $1) }
    let (value, slope) = metric.aggregate(values.reduce(0, +) / Double(values.count))
    (self.value, influences) = (value, values.map { $0 * slope })
  }

  static func error(_ values: [Double], _ groups: [String]) -> Double? { StandardError.ofMean(values, groups) }
}

public enum StandardError {
  /// The standard error of a mean: the sample's standard deviation, within groups if there are several, by the root of the number.
  ///
  /// - Parameter groups: one for each value.
  /// - Returns: `nil` for too few values.
  public static func ofMean(_ values: [Double], _ groups: [String]) -> Double? {
    let parts = Dictionary(grouping: values.indices) { groups[$0] }.values
    let free = values.count - parts.count
    guard free > 0 else { return nil }
    let squares = parts.reduce(0.0) { sum, part in
      let mean = part.reduce(0) { $0 + values[$1] } / Double(part.count)
      return sum + part.reduce(0) { $0 + (values[$1] - mean) * (values[$1] - mean) }
    }
    return (squares / Double(free) / Double(values.count)).squareRoot()
  }
}

/// The mean of one metric of each of several tasks.
public struct TaskMean: Sendable, Equatable {
  /// What enters it.
  public let parts: [(task: String, metric: TaskMetric)]
  public let value: Double
  public let standardError: Double?
  public let dense: Double?
  public var difference: Double? { dense.map { value - $0 } }
  public let differenceError: Double?

  /// The means that tell something: of each task's primary metric, and of the accuracies if that is another mean. Metrics that are no
  /// shares do not enter.
  public static func means(of results: [TaskResult]) -> [TaskMean] {
    func mean(_ metric: (TaskResult) -> TaskMetric?) -> TaskMean? {
      TaskMean(
        results.compactMap { result in result.scores.first { $0.metric == metric(result) }.map { (result.task, $0) } })
    }
    let found = [mean { $0.primary.flatMap { $0.isShare ? $0 : nil } }, mean { _ in .accuracy }].compactMap { $0 }
    return found.count == 2 && found[0] == found[1] ? [found[0]] : found
  }

  /// `nil` for fewer than two tasks.
  init?(_ scores: [(task: String, score: TaskScore)]) {
    guard scores.count > 1 else { return nil }
    let count = Double(scores.count)
    func mean(_ value: (TaskScore) -> Double?) -> Double? {
      let values = scores.compactMap { value($0.score) }
      return values.count == scores.count ? values.reduce(0, +) / count : nil
    }
    func error(_ value: (TaskScore) -> Double?) -> Double? {
      let errors = scores.compactMap { value($0.score) }
      return errors.count == scores.count ? errors.reduce(0) { $0 + $1 * $1 }.squareRoot() / count : nil
    }
    parts = scores.map { ($0.task, $0.score.metric) }
    value = mean(\.value) ?? .nan
    (dense, standardError, differenceError) = (mean(\.dense), error(\.standardError), error(\.differenceError))
  }

  public static func == (a: TaskMean, b: TaskMean) -> Bool {
    a.parts.elementsEqual(b.parts) { $0 == $1 } && a.value == b.value && a.dense == b.dense
  }
}
