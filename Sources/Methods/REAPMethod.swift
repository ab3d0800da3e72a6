import Importance
import LanguageModels
import Reformation
import Subnets
import Workbench

/// REAP (arXiv 2510.13999): the same number of experts goes from every layer, those that add least where they are used;
/// attention stays whole.
struct REAPMethod: PruningMethod {
  let name = "reap"
  let summary = "experts by weight times length of output; uniform; attention whole; no repair"
  let source = "REAP, arXiv 2510.13999"
  let gradients: Set<BackwardPass.Scalar> = []
  let keepsOneWidth = true

  struct Settings: MethodSettings {
    var repair = Repair.none

    static var fields: [SettingField<Self>] {
      [.choice("repair", \.repair, [.none, .sequential], "correction of the experts' down projections")]
    }
  }

  func prune(_ bench: Workbench, budget: Int, _ settings: Settings) throws -> PrunedModel {
    let configuration = bench.configuration
    guard let experts = configuration.block.experts else { throw MethodError.noExperts(method: name) }
    let most = configuration.layers.map(\.mlpChannels).max() ?? 0
    // A token has its number of experts to choose.
    let widths = (0...max(0, most - experts.perToken)).lazy.map { gone in
      configuration.layers.map {
        LayerWidths(groups: $0.kvHeads, channels: max(min($0.mlpChannels, experts.perToken), $0.mlpChannels - gone))
      }
    }.first { configuration.cost($0) <= budget }
    guard widths != nil else {
      let narrowest = configuration.layers.map {
        LayerWidths(groups: $0.kvHeads, channels: min($0.mlpChannels, experts.perToken))
      }
      let dense = Double(configuration.blockParameters)
      throw MethodError.impossibleBudget(
        method: name, keep: Double(budget) / dense, smallest: Double(configuration.cost(narrowest)) / dense)
    }
    return try pruned(bench, budget: budget, widths, bench.scores(REAP(), bench.statistics()), repair: settings.repair)
  }
}
