import Importance
import LanguageModels
import Workbench

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

  struct Settings: MethodSettings {
    var window = LLMPrunerWindow()
    var taylor = LLMPruner.Kind.first
    var aggregation = LLMPruner.Aggregation.sum
    var samples = 16
    var step = 1

    static var fields: [SettingField<Self>] {
      LLMPrunerWindow.fields(\.window) + [
        .choice("taylor", \.taylor, LLMPruner.Kind.allCases, "saliency: vector, first, second or mix"),
        .choice(
          "aggregation", \.aggregation, LLMPruner.Aggregation.allCases, "how the matrices of a unit are put together"),
        .number(
          "samples", \.samples, 1...1_000_000,
          "windows of the calibration for gradients (the paper has 10 of 128 tokens)"),
        .number("step", \.step, 1...4096, "channels that an MLP loses at a time"),
      ]
    }
  }

  func prune(_ bench: Workbench, budget: Int, _ settings: Settings) throws -> PrunedModel {
    let window = settings.window.layers(of: bench.configuration.layerCount)
    let allocation = UniformAllocation(bench.configuration, window: window, step: settings.step)
    guard let widths = allocation.widths(budget: budget) else {
      throw MethodError.impossible(name, bench, budget: budget, window: window)
    }
    let score = LLMPruner(settings.taylor, aggregation: settings.aggregation)
    let statistics = try bench.statistics(gradients: [.loss], samples: settings.samples)
    let units = bench.units(widths, try bench.scores(score, statistics))
    return try bench.pruned(
      units, repair: .none,
      decisions: [
        "layers": "\(window.lowerBound)…\(window.upperBound - 1)",
        "share of units removed there": "\(allocation.share(budget: budget))",
      ])
  }
}

/// The layers that LLM-Pruner and AdaPruner prune.
struct LLMPrunerWindow: Sendable, Equatable {
  /// First and last layers that are left whole; `nil` for as many as in the paper, in proportion.
  var protectFirst: Int?
  var protectLast: Int?

  static func fields<Settings>(_ path: WritableKeyPath<Settings, LLMPrunerWindow>) -> [SettingField<Settings>] {
    [
      .number(
        "protect-first", path.appending(path: \.protectFirst), 0...10_000, "first layers left whole; 4 of 32"),
      .number("protect-last", path.appending(path: \.protectLast), 0...10_000, "last layers left whole; 2 of 32"),
    ]
  }

  /// Layers 4 to 29 of 32, in proportion; at least one layer.
  func layers(of count: Int) -> Range<Int> {
    let first = protectFirst ?? Int((4 * Double(count) / 32).rounded())
    let last = protectLast ?? Int((2 * Double(count) / 32).rounded())
    let lower = min(first, count - 1)
    return lower..<max(lower + 1, count - last)
  }
}
