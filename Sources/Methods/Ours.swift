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
    let names = values.list("scores")
    let scores = try names.map(ImportanceRegistry.named)
    let needsLoss = metric == .loss || scores.contains { $0.gradients == .loss }
    let statistics = try bench.statistics(
      gradients: needsLoss ? [.loss] : [], on: bench.firstWindows(values.integer("samples") ?? 16))
    let space = try bench.space(scores: names, step: values.integer("step"), calibration: statistics.name)
    let factory = SubnetFactory(
      parent: bench.model, scores: scores, statistics: [statistics], repair: .leastSquares, damping: bench.damping,
      byteLimit: bench.memoryForLayers)
    let initial = try bench.timed(.score) {
      try names.compactMap { name -> (genome: Genome, origin: String)? in
        let curves = try ErrorCurves.curves(
          factory, .init(score: name, calibration: statistics.name), statistics, metric: metric
        ) { (space.widths(of: 2 * $0), space.widths(of: 2 * $0 + 1)) }
        guard let widths = ErrorCurves.widths(curves, bench.configuration, budget: bench.budget) else { return nil }
        return space.genome(.init(widths: widths, score: name, calibration: statistics.name)).map { ($0, "curve") }
      }
    }
    if initial.isEmpty { throw bench.impossible(name) }
    func subnet(_ genome: Genome) throws -> Subnet<LanguageModel> {
      let genes = space.genes(genome)
      return try factory.subnet(genes.widths, .init(score: genes.score, calibration: genes.calibration))
    }
    let (genome, divergence) = try bench.evolve(space, initial, evaluations: values.integer("evaluations") ?? 100) {
      try bench.divergence(of: subnet($0))
    }
    let genes = space.genes(genome)
    let units = try factory.units(genes.widths, .init(score: genes.score, calibration: genes.calibration))
    let nested = try subnet(genome)
    let (network, repair) =
      values.text("repair") == "nested" ? (nested, "nested") : try bench.sequentiallyRepaired(nested)
    return PrunedModel(
      units: units, network: network, repair: repair,
      decisions: ["score": genes.score, "KL before the final repair": "\(divergence)"])
  }
}

extension Workbench {
  /// Per-layer widths, with the score as a gene.
  fileprivate func space(scores: [String], step: Int?, calibration: String) throws -> BoundSpace {
    let rule = SearchSpace.WidthRule(minimum: .units(1), step: step)
    let space = SearchSpace(
      name: "ours", summary: "per-layer widths", layers: .each,
      attention: SearchSpace.WidthRule(minimum: .units(1), step: 1), mlp: rule, floors: [], scores: scores,
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
