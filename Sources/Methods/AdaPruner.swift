import Importance
import LanguageModels
import LinearAlgebra
import Subnets
import Workbench

/// AdaPruner (arXiv 2503.06184): calibration subset and importance metric searched together; groups and window of
/// LLM-Pruner.
///
/// A metric mixes the coarse score (vector) and the fine ones (element by element, first and second order) by ranks, with
/// weights and an aggregation of its own. The paper's parametrisation and optimiser (TPE) are not public; trials here are
/// random, and judged by the KL divergence from the dense model on held-out windows.
struct AdaPruner: PruningMethod {
  let name = "adapruner"
  let summary = "calibration subset and Taylor metric by random trials; uniform in a window of layers; no repair"
  let source = "AdaPruner, arXiv 2503.06184"
  let gradients: Set<BackwardPass.Scalar> = [.loss]

  struct Settings: MethodSettings {
    var window = LLMPrunerWindow()
    var trials = 20
    var subsets = 4
    var samples = 10
    var length = 128
    var step = 1

    static var fields: [SettingField<Self>] {
      LLMPrunerWindow.fields(\.window) + [
        .number("trials", \.trials, 1...100_000, "pairs of subset and metric to try"),
        .number("subsets", \.subsets, 1...10_000, "calibration subsets to choose from"),
        .number("samples", \.samples, 1...1_000_000, "windows of a subset"),
        .number("length", \.length, 2...1_000_000, "tokens of a window"),
        .number("step", \.step, 1...4096, "channels that an MLP loses at a time"),
      ]
    }
  }

  struct Trial: Sendable, Equatable {
    var subset: Int
    /// Weights of vector, element-first and element-second; they sum to 1.
    var weights: [Float]
    var aggregation: LLMPruner.Aggregation

    init(drawnBy random: inout SeededGenerator, subsets: Int) {
      subset = random.integer(below: subsets)
      // Uniform on the simplex: gaps between sorted cuts.
      let cuts = [0] + [random.unit(), random.unit()].sorted() + [1]
      weights = (0..<3).map { Float(cuts[$0 + 1] - cuts[$0]) }
      aggregation = LLMPruner.Aggregation.allCases[random.integer(below: LLMPruner.Aggregation.allCases.count)]
    }

    var score: RankMixture {
      RankMixture(
        zip([LLMPruner.Kind.vector, .first, .second], weights).map {
          (LLMPruner($0, aggregation: aggregation), $1)
        })
    }
  }

  func prune(_ bench: Workbench, budget: Int, _ settings: Settings) throws -> PrunedModel {
    let window = settings.window.layers(of: bench.configuration.layerCount)
    let allocation = UniformAllocation(bench.configuration, window: window, step: settings.step)
    let impossible = MethodError.impossible(name, bench, budget: budget, window: window)
    guard let widths = allocation.widths(budget: budget) else { throw impossible }
    var random = SeededGenerator(seed: bench.seed, stream: 21)
    var best: (units: [KeptUnits], network: Subnet<LanguageModel>, trial: Trial, divergence: Double)?
    for number in 0..<settings.trials {
      let trial = Trial(drawnBy: &random, subsets: settings.subsets)
      let windows = bench.subset(trial.subset, samples: settings.samples, length: settings.length)
      let statistics = try bench.statistics(gradients: [.loss], on: windows)
      let units = bench.units(widths, try bench.scores(trial.score, statistics))
      let network = try bench.subnet(keeping: units, repair: .none)
      let divergence = try bench.timed(.search) { try bench.divergence(of: network) }
      if best.map({ divergence < $0.divergence }) ?? true { best = (units, network, trial, divergence) }
      try bench.monitor.advance(.init(.trials), number + 1, of: settings.trials)
    }
    guard let best else { throw impossible }
    return PrunedModel(
      units: best.units, network: best.network, repair: .none,
      decisions: [
        "layers": "\(window.lowerBound)…\(window.upperBound - 1)", "calibration subset": "\(best.trial.subset)",
        "weights of vector, first, second": best.trial.weights.map { "\($0)" }.joined(separator: ", "),
        "aggregation": best.trial.aggregation.rawValue, "KL": "\(best.divergence)",
      ])
  }
}
