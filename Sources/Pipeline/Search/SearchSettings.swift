import Checkpoints
import Evaluation
import Exports
import Foundation
import LanguageModels
import LinearAlgebra
import Reformation
import Subnets
import Tasks
import Workbench

/// Everything that decides what a search finds, as stored with its study (`configuration.json`).
///
/// Two runs with equal settings continue one study. The budget only decides when to stop and is no part of it.
public struct SearchSettings: Codable, Equatable, Sendable {
  /// Path of the model as it was given.
  public var model: String
  /// Name of the search space, or the path of its file.
  public var space = SearchSpace.standard
  /// The text of its file, so that a study does not change when the file does.
  public var spaceText = ""
  /// Scores that replace those of the space; `nil` for the space's own.
  public var scores: [String]?
  public var target: SizeTarget?
  /// Type of the weights in the file whose bytes the target counts; `nil` for that of exports.
  public var weights: WeightType?
  /// The share of the dense model's time that candidates may take, in the place of a target.
  public var latencyShare: Double?
  /// Path of the table of times as it was given; `nil` for none.
  public var latencyTable: String?
  /// Its content, so that a study does not change when the file does.
  public var latency: LatencyTable?
  /// Name of the workload that is meant; `nil` for the table's usual one.
  public var latencyWorkload: String?
  /// Tasks that are objectives; `nil` if none is.
  public var tasks: TaskPlan?
  /// Share of the block parameters that the first candidates aim at, too, in a search without a target; `nil` for none.
  public var aim: Double?
  /// Names of the objectives (`ObjectiveRegistry`, and tasks), the most important first.
  public var objectives = SearchPlan().objectives
  /// The windows that the search reads or samples.
  public var plan = CalibrationPlan()
  /// λ of the least squares as a share of the Gram's mean diagonal; `nil` lets held-out tokens choose it.
  public var damping: Double?
  /// `nested` or `none`.
  public var repair = SearchPlan().repair
  /// What makes the errors of modules comparable in the curves of the first population.
  public var curveMetric = SearchPlan().curveMetric
  /// By what widths are allocated and the loss of candidates is foretold.
  public var allocation = SearchPlan().allocation
  /// Rounds of removal (`SearchPlan.rounds`); `nil` for those that pay at the size. A study has their number; one
  /// without it is older, and has one round.
  public var rounds: Int?
  /// Number of rungs of growing numbers of fitness windows (`FidelityLadder`).
  public var rungs = 1
  public var optimizer = SearchPlan().optimizer
  public var population = SearchPlan().population
  /// Precision of the products while candidates are evaluated.
  public var precision = SearchPlan().precision
  /// Engine that computes the study's networks: those of another one round differently.
  public var engine = EngineKind.cpu

  public static let standard = SearchSettings(model: "")

  public init(model: String) { self.model = model }

  /// - Throws: `PipelineError.invalidOption` for settings that no search can have, before anything slow.
  public func validate() throws {
    try target?.validate()
    try PipelineError.require(
      weights == nil || target?.bytes != nil, "--dtype of a search goes with --size and --memory: it is what they count"
    )
    try validateLatency()
    if let aim {
      try PipelineError.require(
        !hasOneSize, "--aim is for searches without --keep, --params, --size, --memory and --latency")
      try PipelineError.require(aim > 0 && aim <= 1, "--aim is a share above 0 and at most 1, not \(aim)")
    }
    try plan.validate()
    try validateTasks()
    do { _ = try objectiveList() } catch { throw PipelineError.invalidOption("--objectives: \(error)") }
    try PipelineError.require([.nested, .none].contains(repair), "--repair is nested or none")
    try PipelineError.require(damping.map { $0 > 0 && $0 < 1e6 } ?? true, "--damping must be positive")
    if let rounds {
      try PipelineError.require((1...64).contains(rounds), "--rounds must be between 1 and 64")
      try PipelineError.require(
        rounds == 1 || target != nil && repair == .nested,
        "--rounds above 1 are on the way to one size: give --keep, --params or --size, and no --repair none")
    }
    try PipelineError.require((1...10).contains(rungs), "--rungs must be between 1 and 10")
    try PipelineError.require((2...10_000).contains(population), "--population must be between 2 and 10000")
    try PipelineError.require(
      optimizer != .bayesian || objectives.count <= 2, "--optimizer bayesian takes one or two objectives")
    try PipelineError.require(
      hasOneSize || !optimizer.needsTarget,
      "--optimizer \(optimizer.rawValue) searches one size: give --keep, --params or --size")
  }

  private func validateLatency() throws {
    try PipelineError.require(
      latency != nil || !objectives.contains(Latency.objectiveName),
      "the objective \(Latency.objectiveName) needs --latency-table, a file of measured times")
    try PipelineError.require(latency != nil || latencyWorkload == nil, "--latency-workload goes with --latency-table")
    if let latencyShare {
      try PipelineError.require(
        latency != nil, "--latency needs --latency-table, a file of measured times")
      try PipelineError.require(target == nil, "give only one of --latency, --keep, --params, --size and --memory")
      try PipelineError.require(
        latencyShare > 0 && latencyShare <= 1, "--latency is a share above 0 and at most 1, not \(latencyShare)")
    }
    do { _ = try foretold() } catch { throw PipelineError.invalidOption("--latency-table: \(error)") }
  }

  private func validateTasks() throws {
    let kinds = TaskKind.all.filter { objectives.contains($0.name) }
    for kind in kinds where !TaskKind.withDevelopment.contains(where: { $0.name == kind.name }) {
      throw TaskError.noDevelopment(task: kind.name, known: TaskKind.withDevelopment.map(\.name))
    }
    guard let tasks else {
      let name = kinds.first?.name ?? ""
      return try PipelineError.require(
        kinds.isEmpty, "the objective \(name) needs --task-data, the folder with the files of the task")
    }
    try tasks.validate()
    // An objective that nobody knows is named by itself, later.
    try PipelineError.require(
      !kinds.isEmpty || (try? objectiveList()) == nil,
      "--task-data is for objectives that are tasks: " + TaskKind.withDevelopment.map(\.name).joined(separator: ", "))
    try PipelineError.require(
      tasks.sets.isEmpty || tasks.sets.map(\.task.name) == taskNames, "the tasks that were read are not the objectives")
    try PipelineError.require(
      rungs == 1, "--rungs is for searches without tasks: their items are asked all at once")
  }

  /// The objectives that are tasks.
  var taskNames: [String] { objectives.filter { name in TaskKind.all.contains { $0.name == name } } }

  /// The tasks that are objectives; what is in their files is not known before they were read.
  var developmentTasks: [DevelopmentTask] {
    guard let tasks else { return [] }
    if !tasks.sets.isEmpty { return tasks.sets.map(\.task) }
    return taskNames.map { name in
      let metric = TaskKind.all.first { $0.name == name }?.primary?.rawValue
      return DevelopmentTask(name: name, metric: metric ?? "", items: tasks.items, guessing: 0)
    }
  }

  /// Whether all candidates are to be as large, or as fast, as allowed.
  var hasOneSize: Bool { target != nil || latencyShare != nil }

  /// What foretells times; `nil` without a table.
  ///
  /// - Throws: `LatencyError`.
  func foretold() throws -> Latency? { try latency.map { try Latency($0, workload: latencyWorkload) } }

  /// The objectives, the most important first.
  ///
  /// - Throws: `ObjectiveError`, `LatencyError`.
  func objectiveList() throws -> ObjectiveList {
    try ObjectiveList(objectives, known: ObjectiveRegistry.all(with: foretold(), tasks: developmentTasks))
  }

  /// How candidates are found.
  ///
  /// - Parameter precision: precision in which candidates are judged.
  func searchPlan(_ precision: Precision) -> SearchPlan {
    var found = SearchPlan()
    (found.objectives, found.optimizer, found.population) = (objectives, optimizer, population)
    (found.aim, found.hasRungs, found.repair, found.curveMetric) = (aim, rungs > 1, repair, curveMetric)
    (found.allocation, found.rounds) = (allocation, rounds)
    // Settings that name no workload of the table do not pass `validate`.
    (found.latency, found.limitsTime) = (try? foretold(), latencyShare != nil)
    found.tasks = developmentTasks
    (found.gradientWindows, found.precision, found.seed) = (plan.gradientWindows, precision, plan.seed)
    return found
  }

  /// - Throws: `PipelineError.invalidOption` if this processor does not have the precision: results in another one would not
  ///   compare.
  func evaluationPrecision() throws -> Precision {
    try PipelineError.require(
      precision.isSupported,
      "candidates of this study are evaluated in \(precision.rawValue), which this processor cannot (AVX-512 with "
        + "bfloat16); evaluations in f32 would not compare with them")
    return precision
  }

  /// Most block parameters of candidates: those that the target allows, about so many if it is in bytes of a quantisation or
  /// counts a cache; `nil` without a target.
  func blockParameters(of model: LanguageModel) throws -> Int? {
    guard let target else { return nil }
    let type = weights ?? CheckpointOutput.standardType
    return try SizeBudget(target, of: model, format: type.isQuantised ? .gguf : .huggingFace, type: type, nil)
      .estimate()
  }

  func searchSpace() throws -> SearchSpace { try SpaceLibrary.parse(spaceText, file: space, scores: scores) }

  /// The settings as indented JSON with sorted keys.
  public func json() throws -> Data {
    try StoredJSON.document(self, schema: "configuration")
  }

  /// Every setting but the model and the text of the space, under the name of its option.
  var named: [NamedSetting] {
    [
      .init("space", space), .init("scores", scores?.joined(separator: ",")), target?.named ?? .init("keep", []),
      .init("context", target?.context), .init("dtype", weights?.rawValue),
      .init("latency", latencyShare), .init("latency-table", latencyTable),
      .init("latency-workload", latencyWorkload), .init("aim", aim),
      .init("objectives", objectives.joined(separator: ",")), .init("task-data", tasks?.folder),
      .init("task-items", tasks.flatMap { $0.items == TaskPlan.standardItems ? nil : $0.items }),
    ] + plan.named + [
      .init("damping", damping), .init("repair", repair.rawValue), .init("curve-metric", curveMetric.rawValue),
      .init("allocation", allocation.rawValue),
      .init("rounds", rounds ?? 1), .init("rungs", rungs), .init("optimizer", optimizer.rawValue),
      .init("population", population),
      .init("precision", precision.rawValue), .init("engine", engine.rawValue),
    ]
  }

  /// The first setting in which another search differs from this one, in words; `nil` if they agree. The model is
  /// compared by fingerprint elsewhere, not by path.
  func difference(to other: SearchSettings) -> String? {
    // The target has an option for each kind.
    if target != other.target {
      let texts = [target, other.target].map { $0?.text ?? "none" }
      return "target was \(texts[0]), now \(texts[1])"
    }
    if let found = named.difference(to: other.named) {
      // Nobody who made such a study was asked for rounds.
      let isOlder = found.option == "rounds" && rounds == nil
      return found.words + (isOlder ? "; the study is older than this setting, and goes on with --rounds 1" : "")
    }
    return (spaceText == other.spaceText ? nil : "the file of the search space has changed")
      ?? (latency == other.latency ? nil : "the latency table has changed")
      ?? zip(tasks?.sets ?? [], other.tasks?.sets ?? []).first(where: !=).map {
        "the development items of \($0.0.task.name) in \(tasks?.folder ?? "") have changed"
      }
  }

  /// The words of the command line that gives these settings.
  var words: [String] { ["--model", model] + named.words(besides: Self.standard.named) }
}
