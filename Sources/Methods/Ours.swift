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
  static let scores = ImportanceRegistry.all.filter { $0.gradients != .maximumLogit }.map(\.name)
  let settings =
    [
      MethodSetting("scores", .list(Ours.scores), initial: "obs-loss,obs,flap", "scores to choose from"),
      MethodSetting(
        "metric", .choice(ErrorCurves.Metric.allCases.map(\.rawValue)), initial: "loss",
        "what makes the errors of modules comparable"),
      MethodSetting("evaluations", .integer(1...1_000_000), initial: "100", "candidates to judge"),
      MethodSetting(
        "warps", .integer(0...1_000_000), initial: "auto", "candidates of those for the trend of the curves; two thirds"
      ),
      MethodSetting("samples", .integer(1...1_000_000), initial: "16", "windows of the calibration for gradients"),
      MethodSetting("step", .integer(1...4096), initial: "auto", "channels that an MLP loses at a time"),
    ] + FinalRepair.settings(initial: "sequential")

  func prune(_ bench: Workbench, _ values: SettingValues) throws -> PrunedModel {
    let metric = ErrorCurves.Metric(rawValue: values.text("metric")) ?? .loss
    let scores = try values.list("scores").map(ImportanceRegistry.named)
    let repair = FinalRepair(values)
    let needsLoss = metric == .loss || scores.contains { $0.gradients == .loss }
    let statistics = try bench.statistics(
      gradients: needsLoss ? [.loss] : [], samples: values.integer("samples") ?? 16)
    // One score at a time, so that the ranked layers of one alone are in memory.
    var best: (candidates: RankedCandidates, divergence: Double)?
    for score in scores {
      let candidates = try RankedCandidates(bench, score, statistics, step: values.integer("step"))
      guard let solution = try candidates.solution(candidates.curves(metric), budget: repair.budget(bench)) else {
        throw bench.impossible(name)
      }
      let divergence = try bench.timed(.search) { try bench.divergence(of: candidates.subnet(solution.genome)) }
      if best.map({ divergence < $0.divergence }) ?? true { best = (candidates, divergence) }
    }
    guard let candidates = best?.candidates else { throw bench.impossible(name) }
    let metrics = needsLoss ? [ErrorCurves.Metric.loss, .residualStream] : [.residualStream]
    let initial = try ([metric] + metrics.filter { $0 != metric }).compactMap {
      try candidates.solution(candidates.curves($0), budget: repair.budget(bench))?.genome
    }
    let rest = max(1, (values.integer("evaluations") ?? 100) - scores.count)
    let warped = try bench.warp(
      candidates, metric, budget: repair.budget(bench), evaluations: values.integer("warps") ?? rest * 2 / 3)
    let (genome, divergence) = try bench.evolve(
      candidates.space, budget: repair.budget(bench), (warped + initial).map { ($0, "curve") },
      evaluations: max(1, rest - (values.integer("warps") ?? rest * 2 / 3)), candidates.divergences)
    let units = try candidates.units(genome)
    let (network, name) = try repair.apply(bench, keeping: units)
    return PrunedModel(
      units: units, network: network, repair: name,
      decisions: ["score": candidates.score.name, "KL before the final repair": "\(divergence)"])
  }
}

extension Workbench {
  /// Allocations by warped error curves, the best first.
  fileprivate func warp(
    _ candidates: RankedCandidates, _ metric: ErrorCurves.Metric, budget: Int, evaluations: Int
  ) throws -> [Genome] {
    let curves = try candidates.curves(metric)
    return try timed(.search) {
      var search = WarpSearch(seed: seed)
      var known: [Genome: Double] = [:]
      var done = 0
      while done < evaluations {
        let warps = search.ask(min(12, evaluations - done))
        let genomes = warps.compactMap { candidates.solution($0.apply(curves), budget: budget)?.genome }
        guard genomes.count == warps.count else { break }
        let new = Set(genomes).filter { known[$0] == nil }.sorted { $0.lexicographicallyPrecedes($1) }
        for (genome, value) in zip(new, try candidates.divergences(of: new)) { known[genome] = value }
        search.tell(warps, genomes.map { known[$0] ?? .infinity })
        done += warps.count
        print("warp", done, known.values.min() ?? 0, search.mean.parameters)
        try progress("trend of the curves", done, evaluations)
      }
      return known.sorted { ($0.value, $0.key.count) < ($1.value, $1.key.count) }.prefix(8).map(\.key)
    }
  }

  /// Evolution of one objective under a budget of block parameters.
  ///
  /// - Returns: the best genome and its objective.
  fileprivate func evolve(
    _ space: BoundSpace, budget: Int, _ initial: [(genome: Genome, origin: String)], evaluations: Int,
    _ objectives: ([Genome]) throws -> [Double]
  ) throws -> (genome: Genome, value: Double) {
    try timed(.search) {
      let budgeted = try BudgetedSpace(
        space.design, cost: space.cost, budget: Budget(maximum: budget, useWholeBudget: true))
      var optimizer = try NSGA2(budgeted, objectives: 1, seed: seed, initial: initial)
      var best: (genome: Genome, value: Double)?
      var done = 0
      while done < max(1, evaluations) {
        let batch = try optimizer.askBatch(limit: min(optimizer.settings.population, evaluations - done))
        if batch.isEmpty { break }
        for (candidate, value) in zip(batch, try objectives(batch.map(\.genome))) {
          try optimizer.tell(candidate.ordinal, objectives: [value])
          if best.map({ value < $0.value }) ?? true { best = (candidate.genome, value) }
        }
        done += batch.count
        try progress("evolution", done, evaluations)
      }
      return best ?? (initial[0].genome, .infinity)
    }
  }
}
