import Importance
import LanguageModels
import Reformation

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
  let settings = [
    MethodSetting(
      "alpha", .number(0...10_000), initial: "auto", "factor on the scores of groups; 4·D/3 with D the head dimension"),
    MethodSetting(
      "repair", .choice(["nested", "admm", "none"]), initial: "nested", "correction of the output projections"),
    MethodSetting("step", .integer(1...4096), initial: "1", "channels that an MLP loses at a time"),
  ]

  func prune(_ bench: Workbench, _ values: SettingValues) throws -> PrunedModel {
    let repair = Repair(rawValue: values.text("repair")) ?? .nested
    // The score is the mask of the limit λ → ∞ where everything goes; where a share ρ goes it is 1 − ρ + ρ·score.
    let share = Float(1 - bench.keep)
    let scores = try bench.scores(NumericalPruning(), try bench.statistics()).map { scores in
      UnitScores(
        groups: scores.groups.map { 1 - share + share * $0 }, channels: scores.channels.map { 1 - share + share * $0 })
    }
    let threshold = GlobalThreshold(
      configuration: bench.configuration, scores: scores, step: values.integer("step") ?? 1)
    let factor = Float(values.number("alpha") ?? 4 * Double(bench.configuration.headDimension) / 3)
    guard let widths = threshold.widths(groupFactor: factor, budget: bench.budget) else {
      throw bench.impossible(name)
    }
    let units = bench.units(widths, scores)
    return PrunedModel(
      units: units, network: try bench.subnet(keeping: units, repair: repair),
      repair: repair.rawValue)
  }
}
