import Importance
import LanguageModels
import Reformation

/// FLAP (arXiv 2312.11983): standardised fluctuation ranked over all layers and both kinds of modules, and a bias in place
/// of what the removed inputs gave on average.
struct FLAPMethod: PruningMethod {
  let name = "flap"
  let summary = "fluctuation; one threshold for all layers; bias repair"
  let source = "FLAP, arXiv 2312.11983"
  let gradients: Set<BackwardPass.Scalar> = []
  let settings = [
    MethodSetting(
      "repair", .choice(["bias", "nested", "none"]), initial: "bias", "correction of the output projections"),
    MethodSetting("step", .integer(1...4096), initial: "1", "channels that an MLP loses at a time"),
  ]

  func prune(_ bench: Workbench, _ values: SettingValues) throws -> PrunedModel {
    let repair = Repair(rawValue: values.text("repair")) ?? .bias
    let scores = try bench.scores(FLAP(), try bench.statistics())
    // Biases are parameters too.
    let configuration = repair == .bias ? bench.configuration.addingOutputBiases : bench.configuration
    let threshold = GlobalThreshold(configuration: configuration, scores: scores, step: values.integer("step") ?? 1)
    guard let widths = threshold.widths(groupFactor: 1, budget: bench.budget) else {
      throw bench.impossible(name)
    }
    let units = bench.units(widths, scores)
    return PrunedModel(
      units: units, network: try bench.subnet(keeping: units, repair: repair),
      repair: repair.rawValue)
  }
}
