import Importance
import LanguageModels
import Reformation
import Workbench

/// Numerical Pruning (arXiv 2412.12441): the relaxed mask's values ranked over all layers, then exact compensation.
///
/// The paper multiplies heads by `α = 4·D/3` and cuts at the share ρ of the number of *units*, which meets no parameter
/// budget; here the threshold is found by bisection on the parameters. With the paper's α, about 85 for heads of 64, a head
/// would go only after every channel below 85 times its value: heads are hardly ever cut. That is the default all the same,
/// because less is measurably worse.
struct NumericalMethod: PruningMethod {
  let name = "numerical"
  let summary = "relaxed mask in closed form; one threshold for all layers; least-squares repair"
  let source = "Numerical Pruning, arXiv 2412.12441"
  let gradients: Set<BackwardPass.Scalar> = []

  struct Settings: MethodSettings {
    /// `nil` for that of the paper.
    var alpha: Double?
    var repair = Repair.nested
    var step = 1

    static var fields: [SettingField<Self>] {
      [
        .number("alpha", \.alpha, 0...10_000, "factor on the scores of groups; 4·D/3 with D the head dimension"),
        .choice("repair", \.repair, [.nested, .admm, .none], "correction of the output projections"),
        .number("step", \.step, 1...4096, "channels that an MLP loses at a time"),
      ]
    }
  }

  func prune(_ bench: Workbench, budget: Int, _ settings: Settings) throws -> PrunedModel {
    try NumericalPruning().check(bench.configuration)
    // The score is the mask of the limit λ → ∞ where everything goes; where a share ρ goes it is 1 − ρ + ρ·score.
    let share = Float(1 - Double(budget) / Double(bench.configuration.blockParameters))
    let scores = try bench.scores(NumericalPruning(), try bench.statistics()).map { scores in
      UnitScores(
        groups: scores.groups.map { 1 - share + share * $0 }, channels: scores.channels.map { 1 - share + share * $0 })
    }
    let threshold = GlobalThreshold(configuration: bench.configuration, scores: scores, step: settings.step)
    let factor = Float(settings.alpha ?? 4 * Double(bench.configuration.headDimension) / 3)
    return try pruned(
      bench, budget: budget, threshold.widths(groupFactor: factor, budget: budget), scores, repair: settings.repair)
  }
}
