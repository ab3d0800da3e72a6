import LanguageModels
import Reformation
import Search
import Subnets
import Workbench

/// Our own: what `search` and `export` do, at one size and without a study.
///
/// Error curves in the metric of the loss and their trend give the first candidates, an optimiser improves them, every
/// candidate is judged with its exactly repaired weights, and the best gets the final repair.
struct Ours: PruningMethod {
  let name = "ours"
  let summary = "what search and export do: error curves, optimiser, repair in the loop; sequential repair"
  let source = "nas-search"
  let gradients: Set<BackwardPass.Scalar> = [.sampledLoss]

  struct Settings: MethodSettings {
    var evaluations = 100
    /// A search space that is part of the program.
    var space = SearchSpace.standard
    /// Scores that replace those of the space; `nil` keeps them.
    var scores: [String]?
    var plan = SearchPlan()
    var repair = Repair.sequential

    static var fields: [SettingField<Self>] {
      [
        .number("evaluations", \.evaluations, 1...1_000_000, "candidates to judge"),
        .choice("space", \.space, named: SearchSpace.shipped.map { ($0.name, $0.name) }, "search space"),
        .list(
          "scores", \.scores, OursFast.Settings.known, "scores to choose from; those of the space"),
        .choice("optimizer", \.plan.optimizer, SearchOptimizer.allCases, "who proposes candidates"),
        .number("population", \.plan.population, 2...10_000, "candidates of a generation"),
        .choice(
          "curve-metric", \.plan.curveMetric, ErrorCurves.Metric.allCases,
          "what makes the errors of modules comparable"),
        .number(
          "gradient-windows", \.plan.gradientWindows, 1...1_000_000, "windows of the calibration for gradients"),
        .choice(
          "allocation", \.plan.allocation, Allocation.allCases,
          "whether the errors of modules add up alone or with what they have together"),
        .number("rounds", \.plan.rounds, 1...64, "rounds of removal, each with statistics of its own"),
        .choice("repair", \.repair, [.sequential, .gaussNewton, .nested, .none], "final correction of the weights"),
      ]
    }
  }

  func prune(_ bench: Workbench, budget: Int, _ settings: Settings) throws -> PrunedModel {
    var plan = settings.plan
    plan.seed = bench.seed
    let bound = try BoundSpace(
      SearchSpace(
        yaml: SearchSpace.text(ofShipped: settings.space), file: settings.space, scores: settings.scores),
      to: bench.configuration, calibrationSets: bench.sets.map(\.name))
    if settings.repair.beginsSequentially, ChoiceCurves.exist(bound, plan.repair) {
      plan.rounds = plan.rounds ?? Workbench.rounds(to: budget, of: bench.configuration)
    }
    let (dense, lowest) = (bench.configuration.blockParameters, bound.cost.cost(bound.design.lowest))
    guard budget >= lowest else {
      throw MethodError.impossibleBudget(
        method: name, keep: Double(budget) / Double(dense), smallest: Double(lowest) / Double(dense))
    }
    let space = try BudgetedSpace(
      bound.design, cost: bound.cost, budget: Budget(maximum: budget, useWholeBudget: true))
    let evaluator = try bench.evaluator(bound, plan, budget: budget)
    let search = try bench.timed(.score) {
      try CandidateSearch.prepare(
        evaluator, space, plan, .init(evaluations: settings.evaluations), bench.monitor)
    }
    let judged = try bench.timed(.search) { try search.run(evaluations: settings.evaluations, bench.monitor) }
    guard let best = judged.min(by: { $0.comparison.divergence < $1.comparison.divergence }) else {
      throw MethodError.impossible(name, bench, budget: budget)
    }
    let decision = try bench.timed(.repair) {
      try evaluator.finish(
        best.genes, settings.repair,
        calibration: bench.windows(of: best.genes.calibration, samples: best.genes.samples),
        bench.monitor)
    }
    return PrunedModel(
      units: try evaluator.units(best.genes), network: decision.chosen.network, repair: decision.chosen.repair,
      decisions: [
        "score": best.genes.score, "calibration": best.genes.statistics, "optimizer": search.chosen.description,
        "KL before the final repair": "\(best.comparison.divergence)",
      ])
  }
}
