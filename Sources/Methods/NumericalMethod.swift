import Importance
import LanguageModels
import Reformation

/// Numerical Pruning (arXiv 2412.12441): the relaxed mask's values ranked over all layers, then exact compensation.
///
/// The paper multiplies heads by `α = 4·D/3` and cuts at the share ρ of the number of *units*. That meets no parameter
/// budget, and with α near 171 a head would go only after every channel below 171 times its value: taken literally, heads
/// are never cut. Here the threshold is found by bisection on the parameters, and α is a setting whose default ranks a
/// head, which is the mean over its channels, as one of them.
struct NumericalMethod: PruningMethod {
  let name = "numerical"
  let summary = "relaxed mask in closed form; one threshold for all layers; least-squares repair"
  let source = "Numerical Pruning, arXiv 2412.12441"
  let gradients: Set<BackwardPass.Scalar> = []
  let settings = [
    MethodSetting(
      "alpha", .number(0...10_000), initial: "1", "factor on the scores of groups (the paper's is 4·D/3)"),
    MethodSetting("repair", .choice(["ls", "none"]), initial: "ls", "correction of the output projections"),
    MethodSetting("step", .integer(1...4096), initial: "1", "channels that an MLP loses at a time"),
  ]

  func prune(_ bench: Workbench, _ values: SettingValues) throws -> PrunedModel {
    let repair = RepairMode(rawValue: values.text("repair")) ?? .leastSquares
    let scores = try bench.scores(NumericalPruning(), try bench.statistics())
    let threshold = GlobalThreshold(
      configuration: bench.configuration, scores: scores, step: values.integer("step") ?? 1)
    let factor = Float(values.number("alpha") ?? 1)
    guard let widths = threshold.widths(groupFactor: factor, budget: bench.budget) else {
      throw bench.impossible(name)
    }
    let units = bench.units(widths, scores)
    return PrunedModel(
      units: units, network: try bench.subnet(keeping: units, repair: repair),
      repair: repair == .leastSquares ? "nested" : repair.rawValue)
  }
}
