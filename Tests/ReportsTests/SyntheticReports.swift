import Evaluation
import Foundation
import Search
import Subnets

@testable import LanguageModels
@testable import Reports

/// Reports made up from closed formulas, so that every run sees the same numbers.
enum SyntheticReports {
  static let model = ModelSummary(
    name: "SmolLM2-135M-Instruct", fingerprint: "5af571cbf074", architecture: "llama", parametersTotal: 134_515_008,
    parametersBlock: 106_203_456, layers: 30, kvGroupsPerLayer: 3, queryHeadsPerGroup: 3, mlpChannels: 1536,
    headDimension: 64)

  static let wide = ModelSummary(
    name: "Llama-3.1-405B-Instruct", fingerprint: "0f9c2d11a6b0", architecture: "llama",
    parametersTotal: 405_853_388_800, parametersBlock: 401_650_728_960, layers: 126, kvGroupsPerLayer: 8,
    queryHeadsPerGroup: 16, mlpChannels: 53_248, headDimension: 128)

  /// Four layers, four points: small enough to read its files.
  static var small: StudyReport {
    var model = model
    model.layers = 4
    model.parametersTotal = 42_471_936
    model.parametersBlock = 14_160_384
    var report = make(model: model, trials: 12, front: 4)
    report.name = "smollm2 <widths> & \"quotes\""
    report.directory = "results/it's here"
    return report
  }

  /// The size of a usual search.
  static var usual: StudyReport { make(model: model, trials: 200, front: 25) }

  /// Parameters of the blocks that the widths leave, norms left out.
  static func blockParameters(_ widths: [LayerWidths], _ model: ModelSummary) -> Int {
    let full = Double(model.parametersBlock) / Double(model.layers)
    let share = widths.reduce(0.0) {
      $0 + 0.25 * Double($1.groups) / Double(model.kvGroupsPerLayer)
        + 0.75 * Double($1.channels) / Double(model.mlpChannels)
    }
    return Int((full * share).rounded())
  }

  /// Widths that keep about `keep`, wavy over depth and thinnest in the middle.
  static func widths(keep: Double, model: ModelSummary, phase: Double) -> [LayerWidths] {
    (0..<model.layers).map { layer in
      let depth = Double(layer) / Double(max(1, model.layers - 1))
      let wave = 0.18 * cos(2 * .pi * depth) + 0.06 * sin(17 * depth + phase)
      let share = min(1, max(0.05, keep + wave * (1 - keep) * 3))
      let groups = (share * Double(model.kvGroupsPerLayer) + 0.2 * sin(5 * depth + phase)).rounded()
      let step = model.mlpChannels >= 4096 ? 256 : 32
      let channels = Int((share * Double(model.mlpChannels) / Double(step)).rounded()) * step
      return LayerWidths(
        groups: min(model.kvGroupsPerLayer, max(layer == 0 ? 1 : 0, Int(groups))),
        channels: min(model.mlpChannels, max(step, channels)))
    }
  }

  static func measure(_ widths: [LayerWidths], _ model: ModelSummary, worse: Double) -> SubnetMeasurement {
    let block = blockParameters(widths, model)
    let keep = Double(block) / Double(model.parametersBlock)
    let kl = round(3.2 * pow(1.02 - keep, 1.45) * worse, 4)
    return measurement(
      keep: round(keep, 4), model, block: block, kl: kl, perplexity: round(30.4 * exp(0.96 * kl), 2),
      topOne: round(1 - min(0.9, 0.55 * kl), 3))
  }

  static func measurement(
    keep: Double, _ model: ModelSummary, block: Int, kl: Double, perplexity: Double, topOne: Double
  ) -> SubnetMeasurement {
    let total = model.parametersTotal - model.parametersBlock + block
    return SubnetMeasurement(
      keepRatio: keep, parametersTotal: total, parametersBlock: block,
      values: [
        "kl": kl, "perplexity": perplexity, "top1_agreement": topOne, "params": Double(block),
        "bytes": Double(2 * total),
      ])
  }

  static func make(model: ModelSummary, trials count: Int, front size: Int) -> StudyReport {
    let scores = ["loss-fisher", "wanda-sp", "llm-bip"]
    let unsorted = (0..<size).map { (index: Int) -> FrontPoint in
      let keep = 0.97 - 0.47 * Double(index) / Double(max(1, size - 1))
      let widths = widths(keep: keep, model: model, phase: Double(index))
      return FrontPoint(
        index: index, trial: (index * 37 + 11) % max(1, count), measurement: measure(widths, model, worse: 1),
        score: scores[index % 3], calibration: index % 4 == 0 ? "wikitext" : "self", widths: widths)
    }
    let sorted = unsorted.sorted { $0.measurement.parametersBlock > $1.measurement.parametersBlock }
    let front = sorted.enumerated().map { (index: Int, point: FrontPoint) -> FrontPoint in
      var point = point
      point.index = index
      point.isBest = index == size * 2 / 5
      point.isKnee = index == size * 3 / 5
      return point
    }
    let trials = (0..<count).map { (number: Int) -> TrialSummary in
      let keep = 0.48 + 0.5 * fraction(Double(number) * 0.618_033_988)
      let widths = widths(keep: keep, model: model, phase: Double(number) * 0.7)
      let worse = 1.05 + 1.6 * fraction(Double(number) * 0.414_213_562) * exp(-Double(number) / 120)
      let measured = measure(widths, model, worse: worse)
      let failed = number % 41 == 40
      var trial = TrialSummary(
        number: number, origin: number < 8 ? "error curve" : "mutation", state: failed ? .failed : .complete,
        keepRatio: measured.keepRatio, parametersTotal: measured.parametersTotal,
        parametersBlock: measured.parametersBlock)
      trial.values = failed ? [:] : measured.values
      trial.score = scores[number % 3]
      trial.calibration = "self"
      trial.seconds = 2.2
      trial.failure = failed ? "layer 3 is not finite" : nil
      return trial
    }
    let baselines = [0.9, 0.8, 0.7, 0.6].map { (keep: Double) -> Baseline in
      let channels = Int((keep * Double(model.mlpChannels) / 32).rounded()) * 32
      let groups = max(1, Int((keep * Double(model.kvGroupsPerLayer)).rounded()))
      let widths = Array(
        repeating: LayerWidths(groups: groups, channels: channels), count: model.layers)
      return Baseline(
        label: "uniform", measurement: measure(widths, model, worse: 1.75), score: "wanda-sp", calibration: "self",
        widths: widths)
    }
    let convergence = stride(from: min(8, count), through: count, by: 8).map { (done: Int) -> ConvergencePoint in
      let shape = 1 - exp(-Double(done) / 45)
      return ConvergencePoint(
        evaluations: done, seconds: Double(done) * 2.2, bestValue: round(0.62 - 0.31 * shape, 3),
        hypervolume: round(0.55 + 0.27 * shape, 3))
    }
    var report = StudyReport(
      name: "smollm2-135m-widths", directory: "results/smollm2-135m-widths", model: model,
      fitness: FitnessSummary(source: "self, held out from calibration", windows: 8, windowLength: 512, tokens: 4088),
      objectives: [KLDivergence().description, BlockParameters().description],
      observed: ObjectiveRegistry.all.map(\.description),
      dense: measurement(keep: 1, model, block: model.parametersBlock, kl: 0, perplexity: 30.4, topOne: 1))
    report.toolVersion = "0.1.0"
    report.settings = settings
    report.command = "nas-search --model SmolLM2-135M-Instruct --budget 200 --keep 0.8 --seed 7"
    report.calibration = "self: 32 windows of 512 tokens sampled from the model, seed 7"
    report.bestValueName = "KL at 80 % kept"
    (report.baselines, report.trials, report.front) = (baselines, trials, front)
    report.convergence = convergence
    report.evaluationsDone = count
    report.budget = SearchBudget(evaluations: count)
    report.searchSeconds = Double(count) * 2.305
    report.importance = count < 16 ? [] : importance(model)
    report.notes = ["Candidates were measured with their repaired weights."]
    report.startedAt = Date(timeIntervalSince1970: 1_795_466_640)
    report.finishedAt = Date(timeIntervalSince1970: 1_795_467_101)
    return report
  }

  private static func importance(_ model: ModelSummary) -> [GeneShare] {
    [GeneShare("score", 0.31)]
      + (0..<model.layers).flatMap { layer in
        ["attention", "mlp"].enumerated().map { place, module in
          GeneShare("layers.\(layer).\(module)", round(0.2 / Double(2 * layer + place + 1), 4))
        }
      }
  }

  static let settings = [
    Setting("space", "widths.yaml"), Setting("KV groups per layer", "0 to 3, layer 0 at least 1"),
    Setting("MLP channels per layer", "32 to 1536 in steps of 32"), Setting("optimiser", "NSGA-II, population 20"),
    Setting("target", "80 % of block parameters"), Setting("repair", "least squares, damping 0.01"),
    Setting("seed", "7"), Setting("workers", "1"),
  ]

  private static func round(_ value: Double, _ decimals: Int) -> Double {
    let scale = pow(10, Double(decimals))
    return (value * scale).rounded() / scale
  }

  private static func fraction(_ value: Double) -> Double { value - value.rounded(.down) }
}
