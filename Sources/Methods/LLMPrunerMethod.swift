import Importance
import LanguageModels
import Subnets

/// LLM-Pruner (arXiv 2305.11627): Taylor scores, the same share removed from a window of layers, no repair (its recovery
/// is training).
///
/// The released code takes the share of *groups* and reports the share of parameters that comes out; here the share is
/// solved for, so that the parameter budget is met (`UniformAllocation`). The window of the paper, layers 4 to 29 of 32,
/// is scaled to the depth of the model.
struct LLMPrunerMethod: PruningMethod {
  let name = "llm-pruner"
  let summary = "Taylor scores; uniform in a window of layers; no repair"
  let source = "LLM-Pruner, arXiv 2305.11627"
  let gradients: Set<BackwardPass.Scalar> = [.loss]
  let settings =
    LLMPrunerWindow.settings + [
      MethodSetting(
        "taylor", .choice(LLMPruner.Kind.allCases.map(\.rawValue)), initial: "first",
        "saliency: vector, first, second or mix"),
      MethodSetting(
        "aggregation", .choice(LLMPruner.Aggregation.allCases.map(\.rawValue)), initial: "sum",
        "how the matrices of a unit are put together"),
      MethodSetting(
        "samples", .integer(1...1_000_000), initial: "16",
        "windows of the calibration for gradients (the paper has 10 of 128 tokens)"),
      MethodSetting("step", .integer(1...4096), initial: "1", "channels that an MLP loses at a time"),
    ]

  func prune(_ bench: Workbench, _ values: SettingValues) throws -> PrunedModel {
    let window = LLMPrunerWindow.layers(bench.configuration.layerCount, values)
    let allocation = UniformAllocation(bench.configuration, window: window, step: values.integer("step") ?? 1)
    guard let widths = allocation.widths(budget: bench.budget) else {
      throw bench.impossible(name, window: window)
    }
    let score = LLMPruner(
      LLMPruner.Kind(rawValue: values.text("taylor")) ?? .first,
      aggregation: LLMPruner.Aggregation(rawValue: values.text("aggregation")) ?? .sum)
    let statistics = try bench.statistics(
      gradients: [.loss], samples: values.integer("samples") ?? 16)
    let units = bench.units(widths, try bench.scores(score, statistics))
    return PrunedModel(
      units: units, network: try bench.subnet(keeping: units, repair: .none), repair: "none",
      decisions: [
        "layers": "\(window.lowerBound)…\(window.upperBound - 1)",
        "share of units removed there": "\(allocation.share(budget: bench.budget))",
      ])
  }
}

/// The layers that LLM-Pruner and AdaPruner prune.
enum LLMPrunerWindow {
  static let settings = [
    MethodSetting("protect-first", .integer(0...10_000), initial: "auto", "first layers left whole; 4 of 32"),
    MethodSetting("protect-last", .integer(0...10_000), initial: "auto", "last layers left whole; 2 of 32"),
  ]

  /// Layers 4 to 29 of 32, in proportion; at least one layer.
  static func layers(_ count: Int, _ values: SettingValues) -> Range<Int> {
    let first = values.integer("protect-first") ?? Int((4 * Double(count) / 32).rounded())
    let last = values.integer("protect-last") ?? Int((2 * Double(count) / 32).rounded())
    let lower = min(first, count - 1)
    return lower..<max(lower + 1, count - last)
  }
}
