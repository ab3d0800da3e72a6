import Importance
import LanguageModels
import Reformation
import Subnets
import Workbench

/// A score and the same share removed from every layer: the baselines, and methods that say no more about allocation.
struct UniformMethod: PruningMethod {
  let keepsOneWidth = true
  let name: String
  let summary: String
  let source: String
  let score: any Importance
  let repair: Repair
  let gradients: Set<BackwardPass.Scalar> = []

  struct Settings: MethodSettings {
    var step = 1

    static var fields: [SettingField<Self>] {
      [.number("step", \.step, 1...4096, "channels that an MLP loses at a time")]
    }
  }

  func prune(_ bench: Workbench, budget: Int, _ settings: Settings) throws -> PrunedModel {
    let widths = UniformAllocation(bench.configuration, step: settings.step).widths(budget: budget)
    return try pruned(bench, budget: budget, widths, bench.scores(score, bench.statistics()), repair: repair)
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
    name: "magnitude", summary: "L2 norm of a unit's weights; uniform; no repair", source: Magnitude(.l2).source,
    score: Magnitude(.l2), repair: .none)
  static let random = UniformMethod(
    name: "random", summary: "random units; uniform; no repair", source: RandomImportance().source,
    score: RandomImportance(), repair: .none)
  /// The control: how much of a result is due to repair alone.
  static let uniform = UniformMethod(
    name: "uniform", summary: "Wanda's score by structure; uniform; least-squares repair", source: "control",
    score: WandaSP(), repair: .nested)
}

extension MethodError {
  /// What a method throws that cannot meet a budget: the smallest share that one group and one channel a layer make.
  ///
  /// - Parameter window: layers that are pruned; `nil` for all.
  public static func impossible(_ method: String, _ bench: Workbench, budget: Int, window: Range<Int>? = nil) -> Self {
    let configuration = bench.configuration
    let narrowest = configuration.layers.enumerated().map { index, shape in
      window.map { $0.contains(index) } ?? true
        ? LayerWidths(groups: min(1, shape.kvHeads), channels: min(1, shape.mlpChannels))
        : LayerWidths(groups: shape.kvHeads, channels: shape.mlpChannels)
    }
    let dense = Double(configuration.blockParameters)
    return .impossibleBudget(
      method: method, keep: Double(budget) / dense, smallest: Double(configuration.cost(narrowest)) / dense)
  }
}
