import Checkpoints
import Evaluation
import Foundation
import LanguageModels
import Runtime
import Tasks

/// Tasks that a model is to be measured on.
public struct TaskRequest: Codable, Equatable, Sendable {
  public var model: String
  /// A model to compare with; its vocabulary may be another.
  public var dense: String?
  /// Names of tasks.
  public var tasks: [String]
  /// The folder with their files.
  public var folder: String?
  /// Files with requests of other programs.
  public var requests: [String]
  /// Maximum number of items of each task, the first ones; `nil` for all.
  public var items: Int?
  /// A file for what the model said to every item.
  public var answers: String?

  public init(model: String, tasks: [String] = [], folder: String? = nil, requests: [String] = []) {
    (self.model, self.tasks, self.folder, self.requests) = (model, tasks, folder, requests)
  }

  /// - Throws: `PipelineError.invalidOption`, or `TaskError` for a task that is not known.
  public func validate() throws {
    try PipelineError.require(!tasks.isEmpty || !requests.isEmpty, "--tasks needs the name of a task")
    for name in tasks { _ = try TaskKind.named(name) }
    let again = tasks.indices.first { tasks[..<$0].contains(tasks[$0]) }
    try PipelineError.require(again == nil, "--tasks has '\(again.map { tasks[$0] } ?? "")' twice")
    try PipelineError.require(tasks.isEmpty || folder != nil, "--tasks needs --task-data, the folder with their files")
    try PipelineError.require(items ?? 1 >= 1, "--items must be at least 1")
  }
}

/// Measures a model on tasks.
public struct TaskJob {
  /// A task that was measured.
  public struct Measurement: Sendable, Monitor.Event {
    public let result: TaskResult
    /// Items a second, of the model, or of both models.
    public let itemsPerSecond: Double
  }

  public struct Outcome: Sendable {
    public let measurements: [Measurement]
    public let means: [TaskMean]
    public let checkpoint: MeasuredCheckpoint
    /// Fingerprint of the model it is compared with.
    public let dense: String?
  }

  private typealias Asked = (kind: TaskKind, items: [TaskItem])

  private let request: TaskRequest
  private let context: JobContext

  public init(_ request: TaskRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  /// Asks the questions of every task, and writes the answers where that is wanted.
  ///
  /// - Parameter monitor: hears of each `Measurement` when it is there.
  /// - Throws: whatever is wrong with the request and its files, before anything is measured.
  public func run(_ monitor: Monitor = .silent) throws -> Outcome {
    try request.validate()
    let asked = try questions()
    let output = try request.answers.map { try Destination(URL(fileURLWithPath: $0), .file) }
    try output?.rehearse()
    let model = try context.model(request.model)
    let examiner = TaskExaminer(model, try model.tokenizer())
    let denseModel = try request.dense.map(context.model(_:))
    let dense = try denseModel.map { TaskExaminer($0, try $0.tokenizer()) }
    var lines: [JSONValue] = []
    let measurements = try asked.map { kind, items in
      let start = ContinuousClock.now
      let stage = Monitor.Stage(.tasks, of: kind.name)
      let parts = dense == nil ? 1 : 2
      let own = try examiner.answers(to: items, of: stage, monitor.part(0, of: parts))
      let other = try dense?.answers(to: items, of: stage, monitor.part(1, of: parts))
      if output != nil { lines += TaskLines.lines(kind.name, own, dense: other) }
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      let measured = Measurement(
        result: TaskResult(kind, items, own, dense: other), itemsPerSecond: Double(items.count) / max(seconds, 1e-9))
      monitor.tell(measured)
      return measured
    }
    try output?.build { try AtomicFile.write(TaskLines.data(lines), to: $0) }
    return Outcome(
      measurements: measurements, means: TaskMean.means(of: measurements.map(\.result)),
      checkpoint: try MeasuredCheckpoint(model), dense: try denseModel?.fingerprint())
  }

  private func questions() throws -> [Asked] {
    let folder = try request.folder.map { try TaskFolder(URL(fileURLWithPath: $0)) }
    let named = try request.tasks.compactMap { name -> Asked? in
      guard let folder else { return nil }
      let kind = try TaskKind.named(name)
      return (kind, try kind.items(in: folder))
    }
    let others = try request.requests.map { try TaskKind.requests(URL(fileURLWithPath: $0)) }
    return (named + others).map { ($0.kind, Array($0.items.prefix(request.items ?? .max))) }
  }
}

/// The file with what a model said to every item: a JSON object in each line, in the order of the items.
enum TaskLines {
  /// - Parameter task: name of the task, or of the file with requests.
  static func lines(_ task: String, _ answers: [TaskAnswer], dense: [TaskAnswer]?) -> [JSONValue] {
    answers.enumerated().map { number, answer in
      var members = members(answer, prefix: "")
      if let dense { members.merge(self.members(dense[number], prefix: "dense_")) { $1 } }
      return .object(members.merging(["task": .string(task), "item": .integer(number)]) { $1 })
    }
  }

  private static func members(_ answer: TaskAnswer, prefix: String) -> [String: JSONValue] {
    switch answer {
    case .text(let text): [prefix + "text": .string(text)]
    case .likelihoods(let found):
      [
        prefix + "log_likelihoods": .array(found.map { .number($0.sum) }),
        prefix + "greedy": .array(found.map { .bool($0.isGreedy) }),
        prefix + "tokens": .integers(found.map(\.tokens)),
      ]
    }
  }

  static func data(_ lines: [JSONValue]) -> Data { Data(lines.map { $0.compact + "\n" }.joined().utf8) }
}
