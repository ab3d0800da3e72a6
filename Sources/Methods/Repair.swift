import Calibration
import Importance
import LanguageModels
import LinearAlgebra
import Reformation
import Runtime
import Subnets

extension Workbench {
  /// The subnet that keeps the given units, its output projections repaired.
  ///
  /// - Parameters:
  ///   - units: ascending in each layer.
  ///   - damping: `nil` for the bench's.
  func subnet(
    keeping units: [KeptUnits], repair: Repair, damping: Double? = nil
  ) throws -> Subnet<LanguageModel> {
    if repair == .none { return Subnet(of: model, keeping: units) }
    let damping = try damping ?? self.damping()
    let statistics = try statistics()
    return try timed(.repair) {
      let made = zip(units, configuration.layers).map { $0.shape(of: $1) }
      let layers = try LayerStore(configuration.with(layers: made), within: model.memory)
      let most = model.memory.tasks(ofBytes: configuration.bytesPerLayerTask)
      try Threads.forEach(units.count, atMost: most) { [model, configuration] index, _ in
        let shape = configuration.layers[index]
        let kept = units[index]
        // Any units are a prefix of some ranking: theirs first.
        let ranking = UnitRanking(
          groups: kept.groups + Set(0..<shape.kvHeads).subtracting(kept.groups).sorted(),
          channels: kept.channels + Set(0..<shape.mlpChannels).subtracting(kept.channels).sorted())
        let layer = ScoredLayer(
          index: index, shape: shape, headDimension: configuration.headDimension, weights: try model.layer(index),
          statistics: try statistics.layer(index))
        try layers.store(
          index,
          RankedLayer(layer, ranking: ranking, repair: repair, damping: damping)
            .weights(groups: kept.groups.count, channels: kept.channels.count))
      }
      let subnet = Subnet(of: model, layers: made) { try layers.layer($0) }
      return repair == .bias ? subnet.withOutputBiases() : subnet
    }
  }

  /// The subnet repaired once more layer by layer, if that lowers its divergence on the held-out windows.
  ///
  /// - Returns: the better network, which repair it carries (`sequential` or the one before), and its divergence.
  func sequentiallyRepaired(
    _ before: Subnet<LanguageModel>, options: SequentialReformation.Options = .init(), passes: Int = 1,
    otherwise: String = "nested"
  ) throws -> (network: Subnet<LanguageModel>, repair: String, divergence: Double) {
    try timed(.repair) {
      var best = (network: before, repair: otherwise, divergence: try divergence(of: before))
      for pass in 1...max(1, passes) {
        let sequential = try SequentialReformation(
          parent: model, subnet: best.network, calibration: calibration, heldOut: heldOut, options: options,
          monitor: passes > 1 ? monitor.part(pass - 1, of: passes) : monitor)
        let subnet = sequential.subnet(of: best.network)
        let divergence = try divergence(of: subnet)
        if divergence >= best.divergence { break }
        best = (subnet, "sequential", divergence)
      }
      return best
    }
  }

  /// The best units of every layer by their scores, as many as the widths say.
  func units(_ widths: [LayerWidths], _ scores: [UnitScores]) -> [KeptUnits] {
    zip(widths, scores).map { width, scores in
      let ranking = scores.ranking
      return KeptUnits(
        groups: ranking.groups.prefix(width.groups).sorted(),
        channels: ranking.channels.prefix(width.channels).sorted())
    }
  }
}

/// The final repair of our own methods, in all its variants, as settings.
struct FinalRepair {
  static func settings(initial: String) -> [MethodSetting] {
    [
      MethodSetting(
        "repair", .choice(Repair.allCases.map(\.rawValue)), initial: initial,
        "final correction of the output projections"),
      MethodSetting(
        "damping", .number(1e-9...1e6), initial: "auto", "λ of the least squares as a share of the Gram's mean diagonal"
      ),
      MethodSetting(
        "start", .choice(["nested", "none"]), initial: "none",
        "weights that the sequential repair begins with and shrinks toward"),
      MethodSetting(
        "target", .choice(SequentialReformation.Options.Target.allCases.map(\.rawValue)), initial: "residual",
        "sequential: make up for the residual stream's error, or give the layer's own dense output"),
      MethodSetting(
        "scope", .choice(SequentialReformation.Options.Scope.allCases.map(\.rawValue)), initial: "all",
        "sequential: projections that are fitted"),
      MethodSetting(
        "tokens", .choice(SequentialReformation.Options.Tokens.allCases.map(\.rawValue)), initial: "balanced",
        "sequential: how much a token's error counts"),
      MethodSetting("bias", .choice(["no", "yes"]), initial: "no", "sequential: whether to add biases"),
      MethodSetting("passes", .integer(1...10), initial: "1", "sequential: how often to go through the layers"),
    ]
  }

  let repair: Repair
  let start: Repair
  let passes: Int
  let damping: Double?
  let options: SequentialReformation.Options

  init(_ values: SettingValues) {
    repair = Repair(rawValue: values.text("repair")) ?? .sequential
    start = Repair(rawValue: values.text("start")) ?? .none
    passes = values.integer("passes") ?? 1
    damping = values.number("damping")
    var options = SequentialReformation.Options()
    options.target = .init(rawValue: values.text("target")) ?? options.target
    options.scope = .init(rawValue: values.text("scope")) ?? options.scope
    options.tokens = .init(rawValue: values.text("tokens")) ?? options.tokens
    options.bias = values.text("bias") == "yes"
    self.options = options
  }

  private var mode: Repair { repair == .sequential ? start : repair }

  /// Block parameters for the units: biases are parameters too.
  func budget(_ bench: Workbench) -> Int {
    let addsBiases = mode == .bias || repair == .sequential && options.bias
    let configuration = bench.configuration
    return addsBiases
      ? bench.budget - (configuration.addingOutputBiases.blockParameters - configuration.blockParameters) : bench.budget
  }

  /// The subnet that keeps the given units, with its final weights.
  func apply(_ bench: Workbench, keeping units: [KeptUnits]) throws -> (network: Subnet<LanguageModel>, repair: String)
  {
    let first = try bench.subnet(keeping: units, repair: mode, damping: damping)
    if repair != .sequential { return (first, mode.rawValue) }
    let found = try bench.sequentiallyRepaired(first, options: options, passes: passes, otherwise: mode.rawValue)
    if start == .nested { return (found.network, found.repair) }
    // Begun elsewhere, it may end behind the nested solution.
    let nested = try bench.subnet(keeping: units, repair: .nested, damping: damping)
    return try bench.divergence(of: nested) < found.divergence ? (nested, "nested") : (found.network, found.repair)
  }
}
