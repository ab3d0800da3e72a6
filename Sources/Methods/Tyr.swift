import Evaluation
import Importance
import LanguageModels
import LinearAlgebra
import Reformation
import Subnets
import Workbench

/// Týr-the-Pruner (arXiv 2503.09657, and its authors' code): every layer at several sparsities, made on the errors that the
/// layers before it pass on, and an evolution over the choice of one for each.
///
/// A round makes a supernet (`TyrSupernet`) around the allocation so far and searches it by shifts of sparsity
/// (`SparsityShifts`); the next halves the interval between the sparsities. The published defaults are four rounds, the first at
/// intervals of 12.5 %, nine sparsities a module, 50 generations of 128 offspring, judged on 2 K, 16 K and 128 K tokens, of
/// which 16, 4 and 1 survive. The weight of what remains is `(H_KK)⁻¹ (H·Wᵀ)_K·`, the least squares of `NestedReformation` with a
/// damping of 0.01, so one factorisation gives all sparsities of a module.
///
/// Differences: attention loses KV groups, so its interval is one group at least, and its sparsities are few if it has few groups.
/// Every layer keeps a group and a channel; the paper may remove whole modules. Candidates are judged by the KL divergence of the
/// logits, which is the variant of all the paper's tables, over the whole vocabulary (the code: its 8192 likeliest entries),
/// on the held-out windows (the paper: on the calibration); stages that these are too short for are one.
struct Tyr: PruningMethod {
  let name = "tyr"
  let summary = "first- and second-order local pruning; supernet with expected errors, evolution by KL, in rounds"
  let source = "Týr-the-Pruner, arXiv 2503.09657"
  let gradients: Set<BackwardPass.Scalar> = []

  struct Settings: MethodSettings {
    var rounds = 4
    var interval = 0.125
    var levels = 9
    var generations = 50
    var offspring = 128
    var accumulation = TyrSupernet.Accumulation.expectation

    static var fields: [SettingField<Self>] {
      [
        .number("rounds", \.rounds, 1...100, "supernets, each around the last allocation with half the interval"),
        .number("interval", \.interval, 1e-4...0.5, "difference between two sparsities of a module at first"),
        .number("levels", \.levels, 1...1001, "sparsities of a module, half of them on either side"),
        .number("generations", \.generations, 0...100_000, "generations of a round; 0 takes the uniform allocation"),
        .number("offspring", \.offspring, 1...100_000, "candidates of a generation"),
        .choice(
          "accumulation", \.accumulation, TyrSupernet.Accumulation.allCases,
          "what a pruned module passes on: the expectation over its sparsities, the middle one, or the dense output"),
      ]
    }
  }

  func prune(_ bench: Workbench, budget: Int, _ settings: Settings) throws -> PrunedModel {
    let configuration = bench.configuration
    try checkOneMLP(configuration)
    guard var widths = Self.start(configuration, budget: budget) else {
      throw MethodError.impossible(name, bench, budget: budget)
    }
    let (statistics, reference, windows) = (try bench.statistics(), try bench.reference(), bench.windows())
    var history: [String] = []
    var last: TyrSupernet?
    for round in 0..<settings.rounds {
      let levels = SparsityLevels(
        configuration, around: widths, interval: settings.interval / Double(1 << min(round, 60)),
        count: settings.levels)
      let supernet = try bench.timed(.score) {
        try TyrSupernet(
          of: bench.model, levels, on: windows, statistics: statistics, settings.accumulation, bench.monitor)
      }
      let judge = GenerationEvaluator<Int>(reference: reference, parent: bench.model) { layer, isMLP, width in
        try supernet.half(layer, isMLP: isMLP, width: width)
      }
      var search = SparsityShifts(
        levels, seed: bench.seed &+ UInt64(round), offspring: settings.offspring, windows: reference.windows)
      let found = try bench.timed(.search) {
        try search.run(generations: settings.generations) { candidates, windows in
          try judge.compare(candidates.map(\.parts), windows: windows, monitor: bench.monitor).comparisons
            .map { $0.divergence }
        }
      }
      widths = found.widths
      history.append("\(found.divergence)")
      last = supernet
      try bench.monitor.advance(.init(.evolution), round + 1, of: settings.rounds)
    }
    guard let last else { throw MethodError.impossible(name, bench, budget: budget) }
    let network = try bench.timed(.repair) { try last.subnet(widths) }
    return PrunedModel(
      units: try last.units(widths), network: network, repair: .sequential,
      decisions: ["KL after each round": history.joined(separator: ", ")])
  }

  /// The same share of every layer: the groups rounded so that their total is right, channels as the budget allows.
  ///
  /// - Returns: `nil` where even the narrowest widths exceed the budget.
  static func start(_ configuration: ModelConfiguration, budget: Int) -> [LayerWidths]? {
    let uniform = UniformAllocation(configuration)
    let keep = 1 - uniform.share(budget: budget)
    var sum = 0.0
    let groups = configuration.layers.map { shape in
      let before = sum.rounded()
      sum += keep * Double(shape.kvHeads)
      return min(shape.kvHeads, max(min(1, shape.kvHeads), Int(sum.rounded() - before)))
    }
    return uniform.widths(groups: groups, budget: budget) ?? uniform.widths(budget: budget)
  }
}

extension [LayerWidths] {
  /// Two widths a layer, as `GenerationEvaluator` has them.
  fileprivate var parts: [Int] { flatMap { [$0.groups, $0.channels] } }
}
