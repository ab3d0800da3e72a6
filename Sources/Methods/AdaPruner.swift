import Importance
import LanguageModels
import LinearAlgebra
import Subnets

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
  let settings =
    LLMPrunerWindow.settings + [
      MethodSetting("trials", .integer(1...100_000), initial: "20", "pairs of subset and metric to try"),
      MethodSetting("subsets", .integer(1...10_000), initial: "4", "calibration subsets to choose from"),
      MethodSetting("samples", .integer(1...1_000_000), initial: "10", "windows of a subset"),
      MethodSetting("length", .integer(2...1_000_000), initial: "128", "tokens of a window"),
      MethodSetting("step", .integer(1...4096), initial: "1", "channels that an MLP loses at a time"),
    ]

  /// One point of the space.
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

  func prune(_ bench: Workbench, _ values: SettingValues) throws -> PrunedModel {
    let window = LLMPrunerWindow.layers(bench.configuration.layerCount, values)
    let allocation = UniformAllocation(bench.configuration, window: window, step: values.integer("step") ?? 1)
    guard let widths = allocation.widths(budget: bench.budget) else {
      throw bench.impossible(name, window: window)
    }
    let trials = values.integer("trials") ?? 20
    var random = SeededGenerator(seed: bench.seed, stream: 21)
    var best: (units: [KeptUnits], network: Subnet<LanguageModel>, trial: Trial, divergence: Double)?
    for number in 0..<trials {
      let trial = Trial(drawnBy: &random, subsets: values.integer("subsets") ?? 4)
      let windows = bench.subset(
        trial.subset, samples: values.integer("samples") ?? 10, length: values.integer("length") ?? 128)
      let statistics = try bench.statistics(gradients: [.loss], on: windows)
      let units = bench.units(widths, try bench.scores(trial.score, statistics))
      let network = try bench.subnet(keeping: units, repair: .none)
      let divergence = try bench.timed(.search) { try bench.divergence(of: network) }
      if best.map({ divergence < $0.divergence }) ?? true { best = (units, network, trial, divergence) }
      try bench.monitor.advance(.init(.trials), number + 1, of: trials)
    }
    guard let best else { throw bench.impossible(name) }
    return PrunedModel(
      units: best.units, network: best.network, repair: "none",
      decisions: [
        "layers": "\(window.lowerBound)…\(window.upperBound - 1)", "calibration subset": "\(best.trial.subset)",
        "weights of vector, first, second": best.trial.weights.map { "\($0)" }.joined(separator: ", "),
        "aggregation": best.trial.aggregation.rawValue, "KL": "\(best.divergence)",
      ])
  }
}
