import Evaluation
import Foundation
import LanguageModels
import LinearAlgebra
import Tasks

/// Tasks on whose development items candidates are measured, as a study stores them.
public struct TaskPlan: Codable, Equatable, Sendable {
  /// Path of the folder with the files of the tasks, as it was given.
  public var folder: String
  /// Largest number of items of each task.
  public var items = Self.standardItems
  /// What the folder holds, one for each task; empty before it was looked at.
  public internal(set) var sets: [TaskSet] = []

  public static let standardItems = 200

  public init(folder: String) { self.folder = folder }

  /// - Throws: `PipelineError.invalidOption`.
  func validate() throws {
    try PipelineError.require(!folder.isEmpty, "--task-data is empty")
    try PipelineError.require((2...100_000).contains(items), "--task-items must be between 2 and 100000")
  }
}

/// The development items of one task.
public struct TaskSet: Codable, Equatable, Sendable {
  /// A file that items were read from.
  public struct File: Codable, Equatable, Sendable {
    public var name: String
    public var sha256: String
  }

  /// With the number of items that were drawn.
  public var task: DevelopmentTask
  public var files: [File]
  /// Items that could have been drawn.
  public var available: Int
}

extension TaskPlan {
  /// Reads and draws the development items of tasks.
  ///
  /// - Parameters:
  ///   - names: names of the tasks.
  ///   - seed: of the draw.
  ///   - model: model whose tokens they become.
  /// - Returns: the plan with what was found, and the items.
  /// - Throws: `TaskError`, also for a development file that is the one whose accuracy is reported.
  func read(_ names: [String], seed: UInt64, model: LanguageModel) throws -> (plan: TaskPlan, file: DevelopmentFile) {
    let folder = try TaskFolder(URL(fileURLWithPath: folder))
    let encoder = PairEncoder(try model.tokenizer(), longest: model.configuration.longestContext)
    var (plan, file) = (self, DevelopmentFile(model: try model.fingerprint()))
    plan.sets = []
    for name in names {
      let kind = try TaskKind.named(name)
      let files = try Self.files(of: kind, in: folder)
      // A choice without text has no length to divide by.
      let all = try kind.items(in: folder, of: .development).filter(\.hasTexts)
      let places = Self.drawn(min(items, all.count), of: all.count, seed: seed, task: name)
      let drawn = try places.map { try ChoiceItem(all[$0], encoder) }
      guard drawn.count >= 2 else {
        throw TaskError.unusable(
          folder.url.path, "the task '\(name)' has \(drawn.count) development items, and needs 2")
      }
      let guessing = drawn.reduce(0) { $0 + log(Double($1.choices.count)) } / Double(drawn.count)
      let task = DevelopmentTask(
        name: name, metric: kind.primary?.rawValue ?? "", items: drawn.count, guessing: guessing)
      plan.sets.append(TaskSet(task: task, files: files, available: all.count))
      file.tasks.append(.init(task: task, items: drawn))
    }
    return (plan, file)
  }

  /// The development files of a task with their hashes.
  private static func files(of kind: TaskKind, in folder: TaskFolder) throws -> [TaskSet.File] {
    let found = try kind.files(in: folder, of: .development)
    let hashes = try found.map { try CalibrationFile.sha256(of: $0) }
    let reported = try kind.hasFiles(in: folder, of: .reported) ? kind.files(in: folder, of: .reported) : []
    for url in reported {
      let hash = try CalibrationFile.sha256(of: url)
      // Files with labels may be alike by chance.
      guard let place = hashes.firstIndex(of: hash), !kind.isLabels(url) else { continue }
      throw TaskError.unusable(
        found[place].path,
        "it is the same as \(url.path), of which accuracies are reported; a search must not choose by them")
    }
    return zip(found, hashes).map { url, hash in
      TaskSet.File(name: String(url.path.dropFirst(folder.url.path.count + 1)), sha256: hash)
    }
  }

  /// Numbers of items, ascending: a sample without replacement.
  private static func drawn(_ wanted: Int, of count: Int, seed: UInt64, task: String) -> [Int] {
    // Each task draws for itself, so that another one beside it changes nothing.
    let stream = task.utf8.reduce(0) { $0 &* 31 &+ UInt64($1) }
    var random = SeededGenerator(seed: seed, stream: stream)
    var places = Array(0..<count)
    for place in 0..<wanted { places.swapAt(place, random.integer(in: place...count - 1)) }
    return places.prefix(wanted).sorted()
  }
}

extension TaskItem {
  /// Whether every choice has a text.
  fileprivate var hasTexts: Bool {
    if case .choice(_, let texts, _) = question { return texts.allSatisfy { !$0.isEmpty } }
    return true
  }
}
