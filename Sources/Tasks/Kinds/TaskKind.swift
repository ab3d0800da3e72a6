import Checkpoints

/// A task: what it is called, how its items are read, and what is measured. One file each, and a line in `all`.
public struct TaskKind: Sendable {
  /// As the Language Model Evaluation Harness calls it.
  public let name: String
  /// Whose it is.
  public let source: String
  public let metrics: [TaskMetric]
  /// The metric that enters means over tasks; `nil` if nothing is measured.
  public var primary: TaskMetric? { metrics.last }
  /// Every item, in the order of the files.
  let read: @Sendable (TaskFolder) throws -> [TaskItem]

  /// - Parameter metrics: what is measured; the last one enters means.
  init(
    _ name: String, source: String, metrics: [TaskMetric],
    read: @escaping @Sendable (TaskFolder) throws -> [TaskItem]
  ) {
    (self.name, self.source, self.metrics, self.read) = (name, source, metrics, read)
  }

  /// All tasks, those first that papers on pruning take.
  public static let all: [TaskKind] = [
    boolq, piqa, hellaswag, winogrande, arcEasy, arcChallenge, openbookqa, sciq, lambada, mmlu, gsm8k,
  ]

  /// - Throws: `TaskError.unknownTask`.
  public static func named(_ name: String) throws -> TaskKind {
    if let kind = all.first(where: { $0.name == name }) { return kind }
    throw TaskError.unknownTask(name, similar: SimilarNames.to(name, in: all.map(\.name)), known: all.map(\.name))
  }

  /// The items of the task in a folder.
  ///
  /// - Throws: `TaskError`, and `CalibrationError` for files that are not text.
  public func items(in folder: TaskFolder) throws -> [TaskItem] { try read(folder) }
}
