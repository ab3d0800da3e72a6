@testable import Reports

/// Comparisons made up by hand and from closed formulas.
enum SyntheticComparisons {
  /// Five methods, three sizes, two texts; among the cells a failure, a destroyed model, an infinity, a NaN and a gap.
  static var small: MethodComparison {
    var comparison = MethodComparison(
      SyntheticReports.model,
      methods: [
        .init(
          name: "uniform", summary: "Wanda-SP with one width for all layers, no repair.", source: "baseline",
          usesGradients: false),
        .init(
          name: "flap", summary: "Fluctuation of inputs, a bias makes up for what is removed.",
          source: "An et al., AAAI 2024", usesGradients: false, settings: ["structure": "AL-AM", "bias": "yes"]),
        .init(
          name: "llm-pruner", summary: "First-order Taylor of the loss.", source: "Ma et al., NeurIPS 2023",
          usesGradients: true, settings: ["taylor": "param first"]),
        .init(name: "magnitude", summary: "Norm of the weights.", source: "folklore", usesGradients: false),
        .init(
          name: "nas-search | 60", summary: "Search over widths, least squares.", source: "this program",
          usesGradients: false, settings: ["evaluations": "60"]),
      ], calibration: "first 64 windows of 512 tokens of wiki-cal.txt",
      command: "nas-search compare --model SmolLM2-135M-Instruct --text 'my notes.txt'", toolVersion: "0.1.0")
    comparison.texts = [
      .init(name: "wiki-eval.txt", windows: 40, windowLength: 512, densePerplexity: 34.81),
      .init(name: "my <notes>.txt", windows: 1, windowLength: 128, densePerplexity: 12.5),
    ]
    comparison.stages = [
      .init(name: "statistics", seconds: 41.2, peakBytes: 1_240_000_000),
      .init(name: "gradients of the loss", seconds: 188, peakBytes: nil),
    ]
    comparison.cells = [
      cell("uniform", 0.9, kl: 0.21, [41.2, 14.1], repair: 0),
      cell("uniform", 0.8, kl: 0.586, [58.49, 19.75], repair: 0),
      cell("uniform", 0.5, kl: 3.1, [901.4, 220], repair: 0),
      cell("flap", 0.9, kl: 0.15, [38.3, 13.4], repair: 0.4), cell("flap", 0.8, kl: 0.41, [49.9, 16.2], repair: 0.4),
      cell("flap", 0.5, kl: 1.9, [181.25, 61.5], repair: 0.5),
      cell("llm-pruner", 0.9, kl: 0.17, [39, 13.1], repair: 0),
      failed("llm-pruner", 0.8, "the gradients of layer 7 are not finite"),
      cell("magnitude", 0.9, kl: 4.5, [2210.5, 840], repair: 0),
      cell("magnitude", 0.8, kl: 11.25, [3_400_000, .infinity], repair: 0),
      cell("magnitude", 0.5, kl: nil, [.nan, .infinity], repair: 0),
      cell("nas-search | 60", 0.9, kl: 0.11, [36.9, 13.2], repair: 12, search: 371),
      cell("nas-search | 60", 0.8, kl: 0.334, [45.73, 15.5], repair: 14.2, search: 352),
      cell("nas-search | 60", 0.5, kl: 1.62, [140.1, 48.75], repair: 11.9, search: 290),
    ]
    return comparison
  }

  /// Fourteen methods at five sizes.
  static var usual: MethodComparison {
    var comparison = small
    let names = [
      "dense widths", "uniform", "magnitude", "magnitude-l1", "wanda-sp", "flap", "llm-pruner", "loss-fisher", "obs",
      "numerical-pruning", "llm-bip", "greedy", "slicegpt", "nas-search",
    ]
    comparison.methods = names.map { .init(name: $0, summary: "About \($0).", source: "A paper", usesGradients: false) }
    comparison.cells = names.enumerated().flatMap { index, name in
      [0.9, 0.8, 0.7, 0.6, 0.5].map { keep in
        let ratio = 1 + (1 - keep) * (1 - keep) * Double((names.count - index) * (names.count - index)) * 1.5
        return cell(name, keep, kl: ratio - 1, [34.81 * ratio, 12.5 * ratio], repair: Double(index))
      }
    }
    return comparison
  }

  private static func cell(
    _ method: String, _ keep: Double, kl: Double?, _ perplexities: [Double], repair: Double, search: Double = 0
  ) -> MethodComparison.Cell {
    let block = Int(Double(SyntheticReports.model.parametersBlock) * (keep - 0.002))
    let model = SyntheticReports.model
    var cell = MethodComparison.Cell(method: method, keepTarget: keep)
    (cell.keepRatio, cell.kl, cell.perplexities) = (keep - 0.002, kl, perplexities)
    (cell.parametersBlock, cell.parametersTotal) = (block, model.parametersTotal - model.parametersBlock + block)
    cell.repair = repair > 0 ? "least squares" : "none"
    (cell.scoreSeconds, cell.repairSeconds, cell.searchSeconds) = (2.25, repair, search)
    cell.peakBytes = 1_300_000_000
    return cell
  }

  private static func failed(_ method: String, _ keep: Double, _ failure: String) -> MethodComparison.Cell {
    var cell = MethodComparison.Cell(method: method, keepTarget: keep)
    (cell.repair, cell.scoreSeconds, cell.failure) = ("none", 1.5, failure)
    return cell
  }
}
