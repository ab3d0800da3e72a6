import Calibration
import Importance
import LanguageModels
import Reformation

/// Ours without search: of some scores the one whose error curves promise least, its widths, and least squares.
struct OursFast: PruningMethod {
  let name = "ours-fast"
  let summary = "error curves in the loss's metric, no search; least-squares repair"
  let source = "nas-search"
  let gradients: Set<BackwardPass.Scalar> = [.sampledLoss]
  let settings =
    [
      MethodSetting("scores", .list(Ours.scores), initial: "obs-loss,obs,flap", "scores to choose from"),
      MethodSetting(
        "curve-metric", .choice(ErrorCurves.Metric.allCases.map(\.rawValue)), initial: "loss",
        "what makes the errors of modules comparable"),
      MethodSetting(
        "samples", .integer(1...1_000_000), initial: "\(GradientStore.windows)",
        "windows of the calibration for gradients"),
      MethodSetting("step", .integer(1...4096), initial: "auto", "channels that an MLP loses at a time"),
    ] + FinalRepair.settings(initial: "nested")

  func prune(_ bench: Workbench, _ values: SettingValues) throws -> PrunedModel {
    let metric = ErrorCurves.Metric(rawValue: values.text("curve-metric")) ?? .loss
    let scores = try values.list("scores").map(ImportanceRegistry.named)
    let repair = FinalRepair(values)
    let statistics = try bench.statistics(
      gradients: metric.gradients.union(scores.compactMap(\.gradients)),
      samples: values.integer("samples") ?? GradientStore.windows)
    var best: (candidates: RankedCandidates, solution: RankedCandidates.Solution)?
    for score in scores {
      let candidates = try RankedCandidates(bench, score, statistics, step: values.integer("step"))
      guard let solution = try candidates.solution(candidates.curves(metric), budget: repair.budget(bench)) else {
        throw bench.impossible(name)
      }
      if best.map({ solution.predictedError < $0.solution.predictedError }) ?? true { best = (candidates, solution) }
    }
    guard let (candidates, solution) = best else { throw bench.impossible(name) }
    let units = try candidates.units(solution.genome)
    let (network, name) = try repair.apply(bench, keeping: units)
    return PrunedModel(
      units: units, network: network, repair: name,
      decisions: ["score": candidates.score.name, "predicted error": "\(solution.predictedError)"])
  }
}
