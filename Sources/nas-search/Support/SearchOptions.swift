import ArgumentParser
import Exports
import Foundation
import LanguageModels
import Pipeline
import Reformation
import Workbench

/// The options that decide what a search finds.
struct SearchOptions: ParsableArguments {
  private static let standard = SearchSettings.standard

  @Option(help: "A Hugging Face folder or a .gguf file.", transform: LocalPath.checked) var model: String
  @Option(help: "Search space: a name (see 'spaces') or a .yaml file.", transform: LocalPath.checked) var space =
    standard.space
  @Option(help: "Scores that replace those of the space, separated by commas (see 'scores').") var scores: String?
  @OptionGroup var limit: SizeOptions
  @Option(
    help:
      "Type of the weights whose bytes --size and --memory count: f16 (default), bf16, f32, or a quantisation in GGUF as of export."
  )
  var dtype: WeightType?
  @Option(
    help:
      "Instead of such a limit: largest share of the dense model's time that --latency-table foretells, such as 0.7.")
  var latency: Double?
  @Option(
    help: "Table of measured times (latency.json, see 'latency'), for --latency and the objective latency.",
    transform: LocalPath.checked)
  var latencyTable: String?
  @Option(help: "Workload of the table that counts, such as prompt-512. Default: its first generation of one sequence.")
  var latencyWorkload: String?
  @Option(help: "Without such a limit: share that the first candidates aim at, among others, such as 0.8.") var aim:
    Double?
  @OptionGroup var text: CalibrationOptions
  @OptionGroup var gradients: GradientOption
  @Option(help: "Deal each source out to so many sets of --calibration-windows each, for the search to choose from.")
  var calibrationSubsets = CalibrationPlan().subsets
  @Option(
    help:
      "One to three objectives, the most important first: kl, perplexity, top1_agreement, params, bytes, latency; with --task-data a task, such as piqa."
  )
  var objectives = standard.objectives.joined(separator: ",")
  @Option(
    help:
      "Folder with the files of the tasks that are objectives; candidates are asked items of their training files, never those that 'evaluate --tasks' reports.",
    transform: LocalPath.checked)
  var taskData: String?
  @Option(help: "Items of each such task, drawn by --seed. Default: \(TaskPlan.standardItems).") var taskItems: Int?
  @Option(help: "Correction of the inherited weights: nested (least squares) or none.") var repair =
    SearchRepair.nested
  @Option(help: "Unit of the error curves that the search begins with: loss (needs gradients), residual or output.")
  var curveMetric = standard.curveMetric
  @Option(
    help:
      "Whether in the first candidates and in what is foretold the errors of modules add up alone (curves) or with what they have together (quadratic)."
  )
  var allocation = standard.allocation
  @OptionGroup var leastSquares: DampingOption
  @Option(
    help:
      "Rounds: statistics are gathered anew on so many subnets less one, each smaller and repaired, on the way to the size. 1: on the dense model alone. Default: 2 where at most 55 % of the block parameters stay, else 1."
  )
  var rounds: Int?
  @Option(
    help: "Rungs: the better half climbs from few fitness windows to twice as many, on the last all. 1: all at once.")
  var rungs = standard.rungs
  @Option(
    help:
      "Who proposes candidates: evolution, bayesian (Gaussian processes), tpe, nested (Bayesian over score and calibration, evolution of widths inside), search-llm (the paper's evolution), random, quasi-random, or auto: one of them."
  )
  var optimizer = standard.optimizer
  @Option(help: "Candidates in a generation of the evolution; a Bayesian batch has a quarter of it.") var population =
    standard.population
  @OptionGroup var evaluation: PrecisionOption
  @Option(help: "Engine that computes; a study keeps to one.") var engine = standard.engine

  func validate() throws {
    if model.isEmpty { throw ValidationError("--model is empty") }
    if taskItems != nil, taskData == nil { throw ValidationError("--task-items goes with --task-data") }
    try UsageError.check { try settings(within: nil).validate() }
  }

  func settings() throws -> SearchSettings {
    let text = try SpaceLibrary.text(space)
    var settings = try settings(within: ContextLimit(of: model))
    settings.spaceText = text
    settings.precision = evaluation.precision.value
    return settings
  }

  private func settings(within context: ContextLimit?) throws -> SearchSettings {
    var settings = SearchSettings(model: model)
    settings.space = space
    settings.scores = scores?.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    settings.aim = aim
    (settings.target, settings.weights) = (limit.target, dtype)
    (settings.latencyShare, settings.latencyTable, settings.latencyWorkload) = (latency, latencyTable, latencyWorkload)
    settings.latency = try latencyTable.map(LatencyFile.read)
    settings.objectives = objectives.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    settings.tasks = taskData.map { TaskPlan(folder: $0) }
    settings.tasks?.items = taskItems ?? TaskPlan.standardItems
    settings.plan = text.plan(within: context)
    settings.plan.gradientWindows = gradients.gradientWindows
    settings.plan.subsets = calibrationSubsets
    settings.damping = leastSquares.damping
    settings.repair = repair.value
    (settings.curveMetric, settings.allocation) = (curveMetric, allocation)
    settings.rounds = rounds
    settings.rungs = rungs
    settings.optimizer = optimizer
    settings.population = population
    settings.engine = engine
    return settings
  }

  /// `runs/` and the names of model and space.
  var defaultStudy: String {
    let spaceName = URL(fileURLWithPath: space).deletingPathExtension().lastPathComponent
    return "runs/\(LocalPath.name(ofModel: model))-\(spaceName)"
  }
}

extension SearchOptimizer: ExpressibleByArgument {}
extension EngineKind: ExpressibleByArgument {}
extension ErrorCurves.Metric: ExpressibleByArgument {}
extension Allocation: ExpressibleByArgument {}

/// The corrections that candidates are judged with.
enum SearchRepair: String, CaseIterable, ExpressibleByArgument {
  case nested, none

  var value: Repair { self == .nested ? .nested : .none }
}

extension Repair: ExpressibleByArgument {
  /// Those that an export can have.
  public static var allValueStrings: [String] {
    [Repair.sequential, .gaussNewton, .descent, .nested, .none].map(\.rawValue)
  }
}
