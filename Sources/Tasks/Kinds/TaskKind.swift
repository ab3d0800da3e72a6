import Checkpoints
import Foundation

/// A task: what it is called, how its items are read, and what is measured. One file each, and a line in `all`.
public struct TaskKind: Sendable {
  /// As the Language Model Evaluation Harness calls it.
  public let name: String
  /// Whose it is.
  public let source: String
  public let metrics: [TaskMetric]
  /// The metric that enters means over tasks; `nil` if nothing is measured.
  public var primary: TaskMetric? { metrics.last }
  let files: TaskFiles
  /// Every item of a split, in the order of the files.
  private let read: @Sendable (TaskSplitFiles) throws -> [TaskItem]

  /// - Parameter metrics: what is measured; the last one enters means.
  init(
    _ name: String, source: String, metrics: [TaskMetric], files: TaskFiles = TaskFiles(reported: []),
    read: @escaping @Sendable (TaskSplitFiles) throws -> [TaskItem]
  ) {
    (self.name, self.source, self.metrics, self.files, self.read) = (name, source, metrics, files, read)
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
  public func items(in folder: TaskFolder, of split: TaskSplit = .reported) throws -> [TaskItem] {
    try read(TaskSplitFiles(folder: folder, task: name, files: files, split: split))
  }

  /// The files of a split in a folder.
  ///
  /// - Throws: `TaskError.missingFile`, `.noDevelopment` for a task whose authors give no items to choose by.
  public func files(in folder: TaskFolder, of split: TaskSplit) throws -> [URL] {
    try TaskSplitFiles(folder: folder, task: name, files: files, split: split).urls()
  }

  /// Whether a folder has the file with the questions of a split.
  ///
  /// - Throws: `TaskError.unusable` if there are several of one name.
  public func hasFiles(in folder: TaskFolder, of split: TaskSplit) throws -> Bool {
    try TaskSplitFiles(folder: folder, task: name, files: files, split: split).exists()
  }

  /// Whether a file of the task holds labels beside the questions.
  public func isLabels(_ url: URL) -> Bool { files.labels.map { url.path.hasSuffix($0) } ?? false }

  /// The tasks whose choices can be scored on a development split.
  public static var withDevelopment: [TaskKind] { all.filter { !$0.files.development.isEmpty } }
}
