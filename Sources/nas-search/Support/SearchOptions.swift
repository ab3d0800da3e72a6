import ArgumentParser
import Foundation
import Pipeline
import Workbench

/// The options that decide what a search finds.
struct SearchOptions: ParsableArguments {
  @Option(help: "A Hugging Face folder or a .gguf file.", transform: LocalPath.checked) var model: String
  @Option(help: "Search space: a name (see 'spaces') or a .yaml file.", transform: LocalPath.checked) var space =
    "widths"
  @Option(help: "Scores that replace those of the space, separated by commas (see 'scores').") var scores: String?
  @Option(help: "Largest share of the block parameters a subnet may keep, such as 0.8.") var keep: Double?
  @Option(help: "Most parameters, embeddings included, such as 110M.") var params: AmountArgument?
  @Option(help: "Most bytes for all weights at two bytes each, such as 200MB or 4GiB.") var memory: AmountArgument?
  @Option(help: "Without such a limit: share that the first candidates aim at, among others, such as 0.8.") var aim:
    Double?
  @OptionGroup var text: CalibrationOptions
  @OptionGroup var gradients: GradientOption
  @Option(help: "Deal each source out to so many sets of --calibration-windows each, for the search to choose from.")
  var calibrationSubsets = 1
  @Option(help: "Objectives, all minimised: kl or perplexity, then params.") var objectives = "kl,params"
  @Option(help: "Correction of the inherited weights: ls (least squares) or none.") var repair = "ls"
  @Option(help: "Error curves of the first population: loss (needs gradients), residual or output.") var curves = "loss"
  @OptionGroup var leastSquares: DampingOption
  @Option(
    help: "Rungs: the better half climbs from few fitness windows to twice as many, on the last all. 1: all at once.")
  var rungs = 1
  @Option(
    help:
      "Who proposes candidates: evolution, bayesian (Gaussian processes), tpe, nested (Bayesian over score and calibration, evolution of widths inside), search-llm (the paper's evolution), random, quasi-random, or auto: one of them."
  )
  var optimizer = SearchOptimizer.automatic
  @Option(help: "Candidates in a generation of the evolution; a Bayesian batch has a quarter of it.") var population =
    16
  @OptionGroup var evaluation: PrecisionOption
  @Option(help: "Seed of everything random.") var seed: UInt64 = 0

  func validate() throws {
    func require(_ condition: Bool, _ message: String) throws {
      if !condition { throw ValidationError(message) }
    }
    let targets = [keep != nil, params != nil, memory != nil].filter { $0 }.count
    try require(targets <= 1, "give only one of --keep, --params and --memory")
    if let keep { try require(keep > 0 && keep <= 1, "--keep is a share above 0 and at most 1, not \(keep)") }
    if let aim {
      try require(targets == 0, "--aim is for searches without --keep, --params and --memory")
      try require(aim > 0 && aim <= 1, "--aim is a share above 0 and at most 1, not \(aim)")
    }
    try require(!model.isEmpty, "--model is empty")
    try require(
      ["kl,params", "perplexity,params"].contains(objectives), "--objectives is kl,params or perplexity,params")
    try require(["ls", "none"].contains(repair), "--repair is ls or none")
    try require(["loss", "residual", "output"].contains(curves), "--curves is loss, residual or output")
    try require((1...1000).contains(calibrationSubsets), "--calibration-subsets must be between 1 and 1000")
    try require((1...10).contains(rungs), "--rungs must be between 1 and 10")
    try require(population >= 2 && population <= 10_000, "--population must be between 2 and 10000")
  }

  func settings() throws -> SearchSettings {
    let text = try SpaceLibrary.text(space)
    var target: SearchSettings.Target?
    if let keep { target = .keep(keep) }
    if let params { target = .parameters(params.value) }
    if let memory { target = .memory(memory.value) }
    var settings = SearchSettings(
      model: model, space: space, spaceText: text, target: target,
      objectives: objectives.split(separator: ",").map(String.init),
      plan: try self.text.plan(
        within: ContextLimit(of: model), seed: seed, gradientWindows: gradients.gradientWindows,
        subsets: calibrationSubsets),
      damping: leastSquares.damping, repair: repair,
      curves: curves, rungs: rungs, optimizer: optimizer, population: population,
      precision: evaluation.precision.value)
    settings.scores = scores?.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    settings.aim = aim
    return settings
  }

  /// `results/` and the names of model and space.
  var defaultStudy: String {
    let url = URL(fileURLWithPath: model)
    let name = url.pathExtension == "gguf" ? url.deletingPathExtension() : url
    let spaceName = URL(fileURLWithPath: space).deletingPathExtension().lastPathComponent
    return "results/\(name.lastPathComponent)-\(spaceName)"
  }
}

extension SearchOptimizer: ExpressibleByArgument {}
