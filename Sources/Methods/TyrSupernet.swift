import Calibration
import Importance
import LanguageModels
import LinearAlgebra
import Reformation
import Runtime
import Subnets

/// The widths that the modules of all layers may have in a round: some steps of one size to either side of a middle.
struct SparsityLevels: Sendable {
  let configuration: ModelConfiguration
  let middle: [LayerWidths]
  /// The difference between two widths.
  let steps: (groups: Int, channels: Int)
  private let reach: Int

  /// - Parameters:
  ///   - interval: difference between two sparsities, as a share of a module's units; one unit at least.
  ///   - count: number of sparsities of a module, the middle among them.
  init(_ configuration: ModelConfiguration, around middle: [LayerWidths], interval: Double, count: Int) {
    func step(_ units: Int?) -> Int { max(1, Int((interval * Double(units ?? 0)).rounded())) }
    (self.configuration, self.middle) = (configuration, middle)
    steps = (
      step(configuration.layers.map(\.kvHeads).max()), step(configuration.layers.map(\.mlpChannels).max())
    )
    reach = count / 2
  }

  /// The widths of a module, ascending, at least one unit each.
  func widths(_ module: LayerPart.Module, _ index: Int) -> [Int] {
    let (all, center, step) =
      module == .attention
      ? (configuration.layers[index].kvHeads, middle[index].groups, steps.groups)
      : (configuration.layers[index].mlpChannels, middle[index].channels, steps.channels)
    return (-reach...reach).map { center + $0 * step }.filter { (1...max(1, all)).contains($0) && all > 0 }
  }
}

/// Every module of a network at several sparsities, each layer made behind what the layers before it pass on.
///
/// The layers are walked from the first to the last. With the inputs `x` of a module's output projection behind the pruned
/// prefix, its units are ordered by `LocalPruning`, and the weight `Ŵ_e` of every sparsity `S_e` is that of
/// `NestedReformation`. What the module passes on is the expectation of the paper's equation 5,
///
///     Σ (1 − S_e)·Ŵ_e x  /  Σ (1 − S_e)
///
/// which one weight gives, because all sparsities read the same `x`. The paper's code passes on the middle sparsity alone.
struct TyrSupernet: Sendable {
  enum Accumulation: String, CaseIterable { case expectation, middle, none }

  /// What `NestedReformation` and `LocalPruning` add to the diagonal, as a share of its mean.
  static let damping = 0.01

  private let factory: SubnetFactory<LanguageModel>
  private let choice: SubnetFactory<LanguageModel>.Choice
  /// Behind the pruned prefix.
  let statistics: any Statistics

  /// - Parameter dense: statistics of the dense network, for what the supernet's do not replace.
  init(
    of model: LanguageModel, _ levels: SparsityLevels, on windows: TokenWindows, statistics dense: any Statistics,
    _ accumulation: Accumulation, _ monitor: Monitor = .silent
  ) throws {
    let configuration = model.configuration
    let (prefix, grams) = (
      try PrunedPrefix(of: model, on: windows), try GramStore(configuration, within: model.memory)
    )
    var orders: [UnitScores] = []
    for (index, shape) in configuration.layers.enumerated() {
      let layer = try model.layer(index)
      var (made, order) = ([LayerPart.Module: Matrix<Float>](), UnitScores(groups: [], channels: []))
      for module in LayerPart.Module.allCases {
        let inputs = try prefix.inputs(of: module, layer)
        let gram = PrunedPrefix.gram(inputs)
        made[module] = gram
        if inputs.columns == 0 { continue }
        let statistics = ReplacedGrams(dense) { _ in module == .attention ? (gram, .empty) : (.empty, gram) }
        let scores = try LocalPruning().scores(of: ScoredLayer(index, of: model, for: nil, statistics: statistics))
        if module == .attention { order.groups = scores.groups } else { order.channels = scores.channels }
        var projection = layer[module.output]
        if accumulation != .none {
          let kept = levels.widths(module, index)
          let middle = module == .attention ? levels.middle[index].groups : levels.middle[index].channels
          let units = module == .attention ? scores.ranking.groups : scores.ranking.channels
          projection.weight = try Self.expectation(
            projection.weight, gram: gram,
            order: Self.inputs(module, units, shape, configuration), widths: accumulation == .middle ? [middle] : kept,
            of: units.count, engine: model.engine)
        }
        try prefix.add(projection, from: module, of: inputs, layer)
      }
      try grams.store(index, context: made[.attention] ?? .empty, hidden: made[.mlp] ?? .empty)
      orders.append(order)
      try monitor.advance(.init(.factorising), index + 1, of: configuration.layerCount)
    }
    statistics = ReplacedGrams(dense) { index in try grams.layer(index) }
    let score = KnownOrder(orders: orders)
    choice = .init(score: score.name, calibration: statistics.name)
    factory = SubnetFactory(
      parent: model, scores: [score], statistics: [statistics], repair: .nested, damping: Self.damping,
      byteLimit: model.memory.rankedLayers(besideTask: configuration.bytesPerLayerTask))
  }

  /// Half a layer at a width, the other half without units.
  func half(_ layer: Int, isMLP: Bool, width: Int) throws -> LayerWeights {
    try factory.rankedLayer(layer, choice).weights(groups: isMLP ? 0 : width, channels: isMLP ? width : 0)
  }

  func subnet(_ widths: [LayerWidths]) throws -> Subnet<LanguageModel> { try factory.subnet(widths, choice) }

  func units(_ widths: [LayerWidths]) throws -> [KeptUnits] { try factory.units(widths, choice) }

  /// The inputs of a module's output projection, units in the given order.
  private static func inputs(
    _ module: LayerPart.Module, _ units: [Int], _ shape: LayerShape, _ configuration: ModelConfiguration
  ) -> [Int] {
    KeptUnits(groups: module == .attention ? units : [], channels: module == .mlp ? units : [])
      .inputs(of: module, shape, headDimension: configuration.headDimension)
  }

  /// `Σ (1 − S_e)·Ŵ_e / Σ (1 − S_e)`, zero in the columns of what a sparsity removes; shape `[outputs, inputs]`.
  ///
  /// - Parameters:
  ///   - order: inputs from the first to the last kept.
  ///   - widths: units kept by each sparsity, one at least.
  ///   - count: units that there are.
  static func expectation(
    _ weight: Matrix<Float>, gram: Matrix<Float>, order: [Int], widths: [Int], of count: Int,
    engine: any Engine = CPUEngine()
  ) throws -> Matrix<Float> {
    let solver = try NestedReformation(gram: gram, weight: weight, order: order, damping: damping, engine: engine)
    let result = Matrix<Float>(rows: weight.rows, columns: weight.columns)
    let sum = Float(widths.reduce(0, +))
    for width in widths {
      let kept = width * (order.count / count)
      let part = solver.weight(keeping: kept)
      // (1 − S) is the share of units that stay.
      let share = Float(width) / sum
      for i in 0..<part.rows {
        let (source, target) = (part.row(i), result.row(i))
        for j in 0..<kept { target[order[j]] += share * source[j] }
      }
    }
    return result
  }
}

/// An order of units that is known already.
private struct KnownOrder: Importance {
  let orders: [UnitScores]
  let name = "known-order"
  let summary = "an order that is known already"
  let source = "Týr-the-Pruner, arXiv 2503.09657"

  func scores(of layer: ScoredLayer) -> UnitScores { orders[layer.index] }
}

/// Statistics with other Gram matrices of the inputs of output and down projections.
private struct ReplacedGrams: Statistics {
  private let base: any Statistics
  private let grams: @Sendable (Int) throws -> (context: Matrix<Float>, hidden: Matrix<Float>)

  init(
    _ base: any Statistics, _ grams: @escaping @Sendable (Int) throws -> (context: Matrix<Float>, hidden: Matrix<Float>)
  ) {
    (self.base, self.grams) = (base, grams)
  }

  var name: String { base.name }
  var tokens: Int { base.tokens }
  var layerCount: Int { base.layerCount }

  func layer(_ index: Int) throws -> LayerStatistics {
    var layer = try base.layer(index)
    (layer.contextGram, layer.hiddenGram) = try grams(index)
    return layer
  }
}

extension Matrix<Float> {
  fileprivate static var empty: Matrix { Matrix(rows: 0, columns: 0) }
}
