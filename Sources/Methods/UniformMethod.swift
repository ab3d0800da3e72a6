import Importance
import LanguageModels
import Reformation
import Subnets

/// A score and the same share removed from every layer: the baselines, and methods that say no more about allocation.
struct UniformMethod: PruningMethod {
  let name: String
  let summary: String
  let source: String
  let score: any Importance
  let repair: Repair
  let gradients: Set<BackwardPass.Scalar> = []
  let settings = [
    MethodSetting("step", .integer(1...4096), initial: "1", "channels that an MLP loses at a time")
  ]

  func prune(_ bench: Workbench, _ values: SettingValues) throws -> PrunedModel {
    let allocation = UniformAllocation(bench.configuration, step: values.integer("step") ?? 1)
    guard let widths = allocation.widths(budget: bench.budget) else { throw bench.impossible(name) }
    let units = bench.units(widths, try bench.scores(score, try bench.statistics()))
    return PrunedModel(
      units: units, network: try bench.subnet(keeping: units, repair: repair),
      repair: repair.rawValue)
  }

  /// `LLM-BIP`: what the paper says of allocation could not be read; uniform is assumed.
  static let llmBIP = UniformMethod(
    name: "llm-bip", summary: "block-wise forward importance; uniform; no repair", source: LLMBIP().source,
    score: LLMBIP(), repair: .none)
  /// As FLAP's authors use it for comparison.
  static let wandaSP = UniformMethod(
    name: "wanda-sp", summary: "Wanda's score by structure; uniform; no repair", source: WandaSP().source,
    score: WandaSP(), repair: .none)
  static let magnitude = UniformMethod(
    name: "magnitude", summary: "L2 norm of a unit's weights; uniform; no repair", source: MagnitudeL2().source,
    score: MagnitudeL2(), repair: .none)
  static let random = UniformMethod(
    name: "random", summary: "random units; uniform; no repair", source: RandomImportance().source,
    score: RandomImportance(), repair: .none)
  /// The control: how much of a result is due to repair alone.
  static let uniform = UniformMethod(
    name: "uniform", summary: "Wanda's score by structure; uniform; least-squares repair", source: "control",
    score: WandaSP(), repair: .nested)
}

extension Workbench {
  /// What a method throws that cannot meet the budget: the smallest share that one group and one channel a layer make.
  public func impossible(_ method: String, window: Range<Int>? = nil) -> MethodError {
    let narrowest = configuration.layers.enumerated().map { index, shape in
      window.map { $0.contains(index) } ?? true
        ? LayerWidths(groups: min(1, shape.kvHeads), channels: min(1, shape.mlpChannels))
        : LayerWidths(groups: shape.kvHeads, channels: shape.mlpChannels)
    }
    let least = Double(configuration.cost(narrowest)) / Double(configuration.blockParameters)
    return .impossibleBudget(method: method, keep: keep, smallest: least)
  }
}
