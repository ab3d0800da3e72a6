import Calibration
import Importance
import LanguageModels
import Reformation
import Search
import Subnets

/// Our own: error curves in the metric of the loss allocate the widths, evolution improves them, and every candidate is
/// judged with its exactly repaired weights; then sequential repair.
struct Ours: PruningMethod {
  let name = "ours"
  let summary = "error curves in the loss's metric, then evolution with repair in the loop; sequential repair"
  let source = "nas-search"
  let gradients: Set<BackwardPass.Scalar> = [.loss]
  private static let scores = ImportanceRegistry.all.filter { $0.gradients != .maximumLogit }.map(\.name)
  let settings = [
    MethodSetting("scores", .list(Ours.scores), initial: "obs,greedy,flap,wanda-sp", "scores to choose from"),
    MethodSetting(
      "metric", .choice(ErrorCurves.Metric.allCases.map(\.rawValue)), initial: "loss",
      "what makes the errors of modules comparable"),
    MethodSetting("evaluations", .integer(1...1_000_000), initial: "100", "candidates to judge"),
    MethodSetting("samples", .integer(1...1_000_000), initial: "16", "windows of the calibration for gradients"),
    MethodSetting("step", .integer(1...4096), initial: "auto", "channels that an MLP loses at a time"),
    MethodSetting("repair", .choice(["sequential", "nested"]), initial: "sequential", "final repair"),
  ]

  func prune(_ bench: Workbench, _ values: SettingValues) throws -> PrunedModel {
    let metric = ErrorCurves.Metric(rawValue: values.text("metric")) ?? .loss
    let scores = try values.list("scores").map(ImportanceRegistry.named)
    let needsLoss = metric == .loss || scores.contains { $0.gradients == .loss }
    let statistics = try bench.statistics(
      gradients: needsLoss ? [.loss] : [], on: bench.firstWindows(values.integer("samples") ?? 16))
    // One score at a time, so that the ranked layers of one alone are in memory.
    var best: (candidates: Candidates, divergence: Double)?
    for score in scores {
      let candidates = try Candidates(bench, score, statistics, step: values.integer("step"))
      guard let genome = try candidates.curveGenome(metric) else { throw bench.impossible(name) }
      let divergence = try bench.timed(.search) { try bench.divergence(of: candidates.subnet(genome)) }
      if best.map({ divergence < $0.divergence }) ?? true { best = (candidates, divergence) }
    }
    guard let candidates = best?.candidates else { throw bench.impossible(name) }
    let metrics = needsLoss ? ErrorCurves.Metric.allCases : [.residualStream]
    let initial = try ([metric] + metrics.filter { $0 != metric }).compactMap(candidates.curveGenome)
    let rest = max(1, (values.integer("evaluations") ?? 100) - scores.count)
    let (genome, divergence) = try bench.evolve(candidates.space, initial.map { ($0, "curve") }, evaluations: rest) {
      try bench.divergence(of: candidates.subnet($0))
    }
    let nested = try candidates.subnet(genome)
    let (network, repair) =
      values.text("repair") == "nested" ? (nested, "nested") : try bench.sequentiallyRepaired(nested)
    return PrunedModel(
      units: try candidates.units(genome), network: network, repair: repair,
      decisions: ["score": candidates.score.name, "KL before the final repair": "\(divergence)"])
  }

  /// The subnets whose units one score ranks.
  private struct Candidates {
    let bench: Workbench
    let score: any Importance
    let statistics: any Statistics
    let space: BoundSpace
    private let factory: SubnetFactory<LanguageModel>

    init(_ bench: Workbench, _ score: any Importance, _ statistics: any Statistics, step: Int?) throws {
      self.bench = bench
      self.score = score
      self.statistics = statistics
      space = try bench.space(score: score.name, step: step, calibration: statistics.name)
      factory = SubnetFactory(
        parent: bench.model, scores: [score], statistics: [statistics], repair: .leastSquares, damping: bench.damping,
        byteLimit: bench.memoryForLayers)
    }

    private var choice: SubnetFactory<LanguageModel>.Choice {
      .init(score: score.name, calibration: statistics.name)
    }

    /// The widths of least error; `nil` where even the narrowest exceed the budget.
    func curveGenome(_ metric: ErrorCurves.Metric) throws -> Genome? {
      try bench.timed(.score) {
        let curves = try ErrorCurves.curves(factory, choice, statistics, metric: metric) { [space] in
          (space.widths(of: 2 * $0), space.widths(of: 2 * $0 + 1))
        }
        return ErrorCurves.widths(curves, bench.configuration, budget: bench.budget).flatMap {
          space.genome(.init(widths: $0, score: score.name, calibration: statistics.name))
        }
      }
    }

    func subnet(_ genome: Genome) throws -> Subnet<LanguageModel> {
      try factory.subnet(space.genes(genome).widths, choice)
    }

    func units(_ genome: Genome) throws -> [KeptUnits] { try factory.units(space.genes(genome).widths, choice) }
  }
}

extension Workbench {
  /// Per-layer widths.
  fileprivate func space(score: String, step: Int?, calibration: String) throws -> BoundSpace {
    let rule = SearchSpace.WidthRule(minimum: .units(1), step: step)
    let space = SearchSpace(
      name: "ours", summary: "per-layer widths", layers: .each,
      attention: SearchSpace.WidthRule(minimum: .units(1), step: 1), mlp: rule, floors: [], scores: [score],
      calibrations: [.each], keep: 0...1)
    return try BoundSpace(space, to: configuration, calibrationSets: [calibration])
  }

  /// Evolution of one objective under the bench's budget.
  ///
  /// - Returns: the best genome and its objective.
  fileprivate func evolve(
    _ space: BoundSpace, _ initial: [(genome: Genome, origin: String)], evaluations: Int,
    _ objective: (Genome) throws -> Double
  ) throws -> (genome: Genome, value: Double) {
    try timed(.search) {
      let budgeted = try BudgetedSpace(
        space.design, cost: space.cost, budget: Budget(maximum: budget, useWholeBudget: true))
      var optimizer = try NSGA2(budgeted, objectives: 1, seed: seed, initial: initial)
      var best: (genome: Genome, value: Double)?
      for number in 0..<max(1, evaluations) {
        guard let candidate = try optimizer.ask() else { break }
        let value = try objective(candidate.genome)
        try optimizer.tell(candidate.ordinal, objectives: [value])
        if best.map({ value < $0.value }) ?? true { best = (candidate.genome, value) }
        try progress("evolution", number + 1, evaluations)
      }
      return best ?? (initial[0].genome, .infinity)
    }
  }

  /// Memory for ranked layers, in bytes.
  fileprivate var memoryForLayers: Int { Int(physicalMemory / 4) }
}
