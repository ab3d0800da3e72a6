import Importance
import LanguageModels
import Reformation
import Workbench

/// FLAP (arXiv 2312.11983): standardised fluctuation ranked over all layers and both kinds of modules, and a bias in place
/// of what the removed inputs gave on average.
struct FLAPMethod: PruningMethod {
  let name = "flap"
  let summary = "fluctuation; one threshold for all layers; bias repair"
  let source = "FLAP, arXiv 2312.11983"
  let gradients: Set<BackwardPass.Scalar> = []

  struct Settings: MethodSettings {
    var repair = Repair.bias
    var step = 1

    static var fields: [SettingField<Self>] {
      [
        .choice("repair", \.repair, [.bias, .nested, .none], "correction of the output projections"),
        .number("step", \.step, 1...4096, "channels that an MLP loses at a time"),
      ]
    }
  }

  func addsOutputBiases(_ settings: Settings) -> Bool { settings.repair == .bias }

  func prune(_ bench: Workbench, budget: Int, _ settings: Settings) throws -> PrunedModel {
    let scores = try bench.scores(FLAP(), try bench.statistics())
    // Biases are parameters too.
    let configuration = settings.repair == .bias ? bench.configuration.addingOutputBiases : bench.configuration
    let threshold = GlobalThreshold(configuration: configuration, scores: scores, step: settings.step)
    return try pruned(
      bench, budget: budget, threshold.widths(groupFactor: 1, budget: budget), scores, repair: settings.repair)
  }
}
