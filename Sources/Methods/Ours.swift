import Calibration
import Importance
import LanguageModels
import Reformation
import Search
import Subnets

/// Our own: error curves in the metric of the loss allocate the widths, a search for what the curves miss as a trend and
/// evolution improve them, and every candidate is judged with its exactly repaired weights; then sequential repair.
struct Ours: PruningMethod {
  let name = "ours"
  let summary =
    "error curves in the loss's metric, their trend and evolution with repair in the loop; sequential repair"
  let source = "nas-search"
  let gradients: Set<BackwardPass.Scalar> = [.sampledLoss]
  static let scores = ImportanceRegistry.all.filter { $0.gradients != .maximumLogit }.map(\.name)
  let settings =
    [
      MethodSetting("scores", .list(Ours.scores), initial: "obs-loss,obs,flap", "scores to choose from"),
      MethodSetting(
        "curve-metric", .choice(ErrorCurves.Metric.allCases.map(\.rawValue)), initial: "loss",
        "what makes the errors of modules comparable"),
      MethodSetting("evaluations", .integer(1...1_000_000), initial: "100", "candidates to judge"),
      MethodSetting(
        "warps", .integer(0...1_000_000), initial: "auto", "candidates of those for the trend of the curves; two thirds"
      ),
      MethodSetting(
        "samples", .integer(1...1_000_000), initial: "\(GradientStore.windows)",
        "windows of the calibration for gradients"),
      MethodSetting("step", .integer(1...4096), initial: "auto", "channels that an MLP loses at a time"),
    ] + FinalRepair.settings(initial: "sequential")

  func prune(_ bench: Workbench, _ values: SettingValues) throws -> PrunedModel {
    let metric = ErrorCurves.Metric(rawValue: values.text("curve-metric")) ?? .loss
    let scores = try values.list("scores").map(ImportanceRegistry.named)
    let repair = FinalRepair(values)
    let scalars = metric.gradients.union(scores.compactMap(\.gradients))
    let statistics = try bench.statistics(
      gradients: scalars, samples: values.integer("samples") ?? GradientStore.windows)
    // One score at a time, so that the ranked layers of one alone are in memory.
    var best: (candidates: RankedCandidates, curves: [ModuleCurve], genome: Genome, divergence: Double)?
    for score in scores {
      let candidates = try RankedCandidates(bench, score, statistics, step: values.integer("step"))
      let curves = try candidates.curves(metric)
      guard let solution = candidates.solution(curves, budget: repair.budget(bench)) else {
        throw bench.impossible(name)
      }
      let divergence = try bench.timed(.search) { try bench.divergence(of: candidates.subnet(solution.genome)) }
      if best.map({ divergence < $0.divergence }) ?? true {
        best = (candidates, curves, solution.genome, divergence)
      }
    }
    guard let best else { throw bench.impossible(name) }
    let metrics =
      scalars.isSuperset(of: ErrorCurves.Metric.loss.gradients)
      ? [ErrorCurves.Metric.loss, .residualStream] : [.residualStream]
    let candidates = best.candidates
    let others = try metrics.filter { $0 != metric }.compactMap {
      try candidates.solution(candidates.curves($0), budget: repair.budget(bench))?.genome
    }
    let rest = max(1, (values.integer("evaluations") ?? 100) - scores.count)
    let search = AllocationSearch(bench, candidates, budget: repair.budget(bench))
    try search.warp(best.curves, evaluations: values.integer("warps") ?? rest * 2 / 3)
    let (genome, divergence) = try search.evolve(from: [best.genome] + others, evaluations: rest)
    let units = try candidates.units(genome)
    let (network, name) = try repair.apply(bench, keeping: units)
    return PrunedModel(
      units: units, network: network, repair: name,
      decisions: ["score": candidates.score.name, "KL before the final repair": "\(divergence)"])
  }
}
