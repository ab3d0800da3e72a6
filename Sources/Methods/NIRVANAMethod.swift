import Importance
import LanguageModels
import Subnets
import Workbench

/// NIRVANA (arXiv 2509.14230): saliency of the output, two thresholds over the whole model tied by γ, and the calibration
/// subset chosen by KL divergence.
///
/// For every trial a subset of the calibration text is drawn, the model is pruned with it, and the subset whose subnet
/// diverges least from the dense model on held-out windows is kept. The released code leaves the loop to the user and
/// keeps the last group of a layer that would lose all; here it is the best.
struct NIRVANAMethod: PruningMethod {
  let name = "nirvana"
  let summary = "saliency of the output; two thresholds tied by γ; calibration subset by KL; no repair"
  let source = "NIRVANA, arXiv 2509.14230"
  let gradients: Set<BackwardPass.Scalar> = [.maximumLogit]

  struct Settings: MethodSettings {
    var gamma = 3.0
    var step = 8
    var trials = 4
    var samples = 32
    var length = 128

    static var fields: [SettingField<Self>] {
      [
        .number("gamma", \.gamma, 0.01...1000, "share of channels removed over share of groups removed"),
        .number("step", \.step, 1...4096, "kept widths of MLPs are rounded up to this; experts go one by one"),
        .number("trials", \.trials, 1...10_000, "calibration subsets to choose from"),
        .number("samples", \.samples, 1...1_000_000, "windows of a subset"),
        .number("length", \.length, 2...1_000_000, "tokens of a window"),
      ]
    }
  }

  func prune(_ bench: Workbench, budget: Int, _ settings: Settings) throws -> PrunedModel {
    let trials = settings.trials
    let impossible = MethodError.impossible(name, bench, budget: budget)
    var best: (units: [KeptUnits], network: Subnet<LanguageModel>, subset: Int, divergence: Double)?
    var tried: [String] = []
    for trial in 0..<trials {
      let windows = bench.subset(trial, samples: settings.samples, length: settings.length)
      let statistics = try bench.statistics(gradients: [.maximumLogit], on: windows)
      let scores = try bench.scores(NIRVANA(), statistics)
      // Experts are no channels of which eight make a step.
      let step = bench.configuration.block.experts == nil ? settings.step : 1
      let threshold = GlobalThreshold(configuration: bench.configuration, scores: scores, step: step)
      guard let widths = threshold.widths(gamma: settings.gamma, budget: budget) else { throw impossible }
      let units = bench.units(widths, scores)
      let network = try bench.subnet(keeping: units, repair: .none)
      // One subset needs no judge.
      let divergence = trials == 1 ? 0 : try bench.timed(.search) { try bench.divergence(of: network) }
      if trials > 1 { tried.append("\(divergence)") }
      if best.map({ divergence < $0.divergence }) ?? true { best = (units, network, trial, divergence) }
      try bench.monitor.advance(.init(.trials), trial + 1, of: trials)
    }
    guard let best else { throw impossible }
    return PrunedModel(
      units: best.units, network: best.network, repair: .none,
      decisions: ["calibration subset": "\(best.subset)", "KL of each subset": tried.joined(separator: ", ")])
  }
}
