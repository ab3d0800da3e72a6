import Foundation

/// A part of a task's items.
public enum TaskSplit: String, Codable, Sendable {
  /// What accuracies are published of.
  case reported
  /// What the authors give to train on or to choose settings by; nothing of it is ever reported.
  case development
}

/// The names of a task's files, by the split.
struct TaskFiles: Sendable {
  let reported: [String]
  /// Empty if there are none whose choices could be scored.
  let development: [String]
  /// What stands behind the names of a split.
  private let endings: (reported: String, development: String)
  /// The ending of the file with labels beside it; `nil` if labels are in the file.
  let labels: String?
  /// Whether every file with the ending is one of the task, whatever its name.
  let isSeveral: Bool

  /// - Parameter ending: ending of the names of both splits.
  init(reported: [String], development: [String] = [], ending: String = "", labels: String? = nil) {
    (self.reported, self.development, self.labels, isSeveral) = (reported, development, labels, false)
    endings = (ending, ending)
  }

  /// The files of all names with an ending.
  ///
  /// - Parameters:
  ///   - reported: a name for the error where there is none.
  ///   - development: the same.
  init(reported: [String], development: [String], endings: (reported: String, development: String)) {
    (self.reported, self.development, self.endings, labels, isSeveral) = (reported, development, endings, nil, true)
  }

  func names(_ split: TaskSplit) -> [String] { split == .reported ? reported : development }
  func ending(_ split: TaskSplit) -> String { split == .reported ? endings.reported : endings.development }
}

/// The files of one split of a task in a folder.
struct TaskSplitFiles: Sendable {
  let folder: TaskFolder
  let task: String
  let files: TaskFiles
  let split: TaskSplit

  private var names: [String] { files.names(split).map { $0 + files.ending(split) } }

  private func labelNames(_ ending: String) -> [String] { files.names(split).map { $0 + ending } }

  private func checkSplit() throws {
    guard files.names(split).isEmpty else { return }
    throw TaskError.noDevelopment(task: task, known: TaskKind.withDevelopment.map(\.name))
  }

  /// The file with the questions.
  func url() throws -> URL {
    try checkSplit()
    return try folder.file(names, of: task)
  }

  func exists() throws -> Bool {
    files.isSeveral
      ? !folder.files(endingIn: files.ending(split)).isEmpty : try folder.first(of: names, for: task) != nil
  }

  /// All files, those with labels, too.
  func urls() throws -> [URL] {
    try checkSplit()
    if files.isSeveral {
      let found = folder.files(endingIn: files.ending(split))
      guard found.isEmpty else { return found }
      throw TaskError.missingFile(task: task, folder: folder.url.path, names: names)
    }
    let labels = try files.labels.flatMap { try folder.first(of: labelNames($0), for: task) }
    return try [url()] + (labels.map { [$0] } ?? [])
  }

  /// The JSON values of the file with the questions, one in each line.
  func rows() throws -> [TaskRow] { try TaskRow.rows(of: url()) }

  /// The numbers of the file with labels, as many as rows.
  func labels(for rows: [TaskRow]) throws -> [Int] {
    let url = try folder.file(labelNames(files.labels ?? ""), of: task)
    let labels = try folder.labels(in: url)
    guard labels.count == rows.count else {
      throw TaskError.unusable(url.path, "it has \(labels.count) labels for \(rows.count) items")
    }
    return labels
  }
}
