import LanguageModels
import LinearAlgebra
import Runtime

/// Gathers the statistics of one layer while the forward pass runs through it.
///
/// One accumulator per lane of the forward pass, added up in the order of the lanes at the end of the layer, so the
/// result does not depend on how many cores ran. If the lanes' matrices would take more than `MemoryPlan.lanes`,
/// there are fewer.
final class StatisticsCollector: @unchecked Sendable {
  private let lanes: [Lane]
  private let tokens: Int
  private let engine: any Engine
  private let configuration: ModelConfiguration

  /// - Parameters:
  ///   - bytes: memory for the matrices of all lanes (`MemoryPlan.lanes`).
  ///   - engine: engine that adds up Gram matrices.
  ///   - spare: lanes of an earlier layer, whose memory is used again if it fits.
  init(
    _ shape: LayerShape, in configuration: ModelConfiguration, tokens: Int, chunks: Int, bytes: Int,
    engine: any Engine, reusing spare: [Lane] = []
  ) {
    self.tokens = tokens
    self.engine = engine
    self.configuration = configuration
    let elements = LayerStatistics.gramElements(of: shape, in: configuration)
    let fitting = bytes / max(1, elements * MemoryLayout<Float>.size)
    let context = shape.queryHeads * configuration.headDimension
    lanes = (0..<max(1, min(ForwardPass.lanes, chunks, fitting))).map { number in
      if number < spare.count, spare[number].has(context, configuration.activations(of: shape)) {
        spare[number].clear()
        return spare[number]
      }
      return Lane(configuration, context: context, shape)
    }
  }

  /// After `finish` all lanes but the first, whose memory was handed out.
  var spare: [Lane] { Array(lanes.dropFirst()) }

  /// Lanes that it is ready for.
  var laneCount: Int { lanes.count }

  /// Called for the chunks of a lane one after another, for different lanes at once.
  func observe(_ tap: ActivationTap, _ activations: Matrix<Float>, lane: Int) {
    let lane = lanes[lane]
    switch tap {
    case .attentionInput: engine.addGram(of: normed(activations, .attentionNorm), to: lane.attentionInput)
    case .mlpInput: engine.addGram(of: normed(activations, .mlpNorm), to: lane.mlpInput)
    case .queries: lane.queries.add(activations)
    case .keys: lane.keys.add(activations)
    case .attentionContext: lane.context.add(activations, engine)
    case .attentionFactors: lane.context.factors = activations
    case .mlpHidden: lane.hidden.add(activations, engine)
    case .mlpFactors: lane.hidden.factors = activations
    case .expertHidden(let expert): lane.experts?.add(activations, of: expert, engine)
    case .expertOutput(let expert): lane.experts?.add(outputs: activations, of: expert)
    case .afterAttention: lane.inverseEnergyAfterAttention += Self.inverseEnergy(activations)
    case .afterMLP: lane.inverseEnergyAfterMLP += Self.inverseEnergy(activations)
    }
  }

  /// Inputs of a module, each token divided by its root mean square if no norm has done so.
  private func normed(_ x: Matrix<Float>, _ norm: LayerPart) -> Matrix<Float> {
    if configuration.block.parts.contains(norm) { return x }
    let result = x.copy()
    for i in 0..<x.rows {
      let square = Kernels.dot(x.row(i), x.row(i), count: x.columns) / Float(x.columns)
      Kernels.scale(result.row(i), by: 1 / (square + configuration.normEpsilon).squareRoot(), count: x.columns)
    }
    return result
  }

  func finish() -> LayerStatistics {
    let total = lanes[0]
    for lane in lanes.dropFirst() {
      total.context.merge(lane.context)
      total.hidden.merge(lane.hidden)
      if let experts = lane.experts { total.experts?.merge(experts) }
      total.queries.merge(lane.queries)
      total.keys.merge(lane.keys)
      total.inverseEnergyAfterAttention += lane.inverseEnergyAfterAttention
      total.inverseEnergyAfterMLP += lane.inverseEnergyAfterMLP
    }
    total.context.average(over: tokens)
    total.hidden.average(over: tokens)
    for gram in [\Lane.attentionInput, \.mlpInput, \.context.gram, \.hidden.gram] {
      average(lanes.map { $0[keyPath: gram] })
    }
    total.experts?.average(over: tokens)
    for expert in 0..<(total.experts?.count ?? 0) { average(lanes.compactMap { $0.experts?.gram(of: expert) }) }
    let (hidden, experts) = (total.hidden, total.experts)
    return LayerStatistics(
      attentionInputGram: total.attentionInput, mlpInputGram: total.mlpInput,
      contextGram: total.context.gram, contextMagnitude: total.context.magnitude.elements,
      contextMean: total.context.mean.elements, hiddenGram: experts?.grams ?? hidden.gram,
      hiddenMagnitude: (experts?.magnitude ?? hidden.magnitude).elements,
      hiddenMean: (experts?.mean ?? hidden.mean).elements,
      energyAfterAttention: Double(tokens) / total.inverseEnergyAfterAttention,
      energyAfterMLP: Double(tokens) / total.inverseEnergyAfterMLP, contextWeight: total.context.weight,
      hiddenWeight: hidden.weight, queryShares: total.queries.means(over: tokens),
      keyShares: total.keys.means(over: tokens), expertUse: experts?.use ?? [], expertLengths: experts?.lengths ?? [])
  }

  /// Adds the upper triangles of matrices to the first of them, divides by the tokens and mirrors the result.
  private func average(_ grams: [Matrix<Float>]) {
    let sum = grams[0]
    let rows = 64
    Threads.forEach((sum.rows + rows - 1) / rows, workers: Threads.count) { block, _ in
      for row in block * rows..<min((block + 1) * rows, sum.rows) {
        let (start, count) = (sum.row(row) + row, sum.columns - row)
        for other in grams.dropFirst() { Kernels.add(other.row(row) + row, to: start, count: count) }
        Kernels.scale(start, by: 1 / Float(tokens), count: count)
      }
    }
    mirrorUpperTriangle(sum)
  }

  /// `Σ 1/‖x‖²` over the rows.
  private static func inverseEnergy(_ x: Matrix<Float>) -> Double {
    (0..<x.rows).reduce(0) { sum, i in
      sum + 1 / max(Double(Kernels.dot(x.row(i), x.row(i), count: x.columns)), .leastNormalMagnitude)
    }
  }

  final class Lane {
    fileprivate let attentionInput: Matrix<Float>
    fileprivate let mlpInput: Matrix<Float>
    fileprivate let context: Accumulator
    fileprivate let hidden: Accumulator
    /// In place of `hidden` if the MLP is a mixture of experts.
    fileprivate let experts: ExpertAccumulator?
    fileprivate let queries: HeadShares
    fileprivate let keys: HeadShares
    fileprivate var inverseEnergyAfterAttention = 0.0
    fileprivate var inverseEnergyAfterMLP = 0.0

    fileprivate init(_ configuration: ModelConfiguration, context: Int, _ shape: LayerShape) {
      let (residual, dimension) = (configuration.hiddenSize, configuration.headDimension)
      (queries, keys) = (HeadShares(dimension), HeadShares(dimension))
      attentionInput = Matrix(rows: residual, columns: residual)
      mlpInput = Matrix(rows: residual, columns: residual)
      self.context = Accumulator(width: context)
      experts = configuration.block.experts.map { _ in
        ExpertAccumulator(width: configuration.activationsPerUnit, count: shape.mlpChannels)
      }
      hidden = Accumulator(width: experts == nil ? shape.mlpChannels : 0)
    }

    fileprivate func has(_ context: Int, _ hidden: Int) -> Bool {
      self.context.gram.rows == context && (experts?.grams ?? self.hidden.gram).rows == hidden
    }

    fileprivate func clear() {
      for gram in [attentionInput, mlpInput] { gram.fill(0) }
      for accumulator in [context, hidden] { accumulator.clear() }
      experts?.clear()
      for shares in [queries, keys] { shares.clear() }
      (inverseEnergyAfterAttention, inverseEnergyAfterMLP) = (0, 0)
    }
  }

  /// Sums over tokens of `x xᵀ`, `|x|` and `x`. If tokens come multiplied by factors `s`, the last is that of `s·x`,
  /// and becomes the mean of what was multiplied, each token weighted by `s²`.
  fileprivate final class Accumulator {
    let gram: Matrix<Float>
    let magnitude: Matrix<Float>
    let mean: Matrix<Float>
    /// The factors of the tokens that come next, shape `[tokens, 1]`; `nil` for 1.
    var factors: Matrix<Float>?
    /// `Σ s²`; after `average` the mean.
    private(set) var weight = 0.0

    init(width: Int) {
      gram = Matrix(rows: width, columns: width)
      magnitude = Matrix(rows: 1, columns: width)
      mean = Matrix(rows: 1, columns: width)
    }

    func add(_ x: Matrix<Float>, _ engine: any Engine) {
      engine.addGram(of: x, to: gram)
      for i in 0..<x.rows {
        Kernels.addMagnitudes(x.row(i), to: magnitude.pointer, count: x.columns)
        let factor = factors?[i, 0] ?? 1
        Kernels.addScaled(x.row(i), factor, to: mean.pointer, count: x.columns)
        weight += Double(factor) * Double(factor)
      }
      factors = nil
    }

    func clear() {
      for sum in [gram, magnitude, mean] { sum.fill(0) }
      weight = 0
    }

    /// All but the Gram.
    func merge(_ other: Accumulator) {
      Kernels.add(other.magnitude.pointer, to: magnitude.pointer, count: magnitude.count)
      Kernels.add(other.mean.pointer, to: mean.pointer, count: mean.count)
      weight += other.weight
    }

    /// All but the Gram.
    func average(over tokens: Int) {
      Kernels.scale(magnitude.pointer, by: 1 / Float(tokens), count: magnitude.count)
      if weight > 0 { Kernels.scale(mean.pointer, by: 1 / Float(weight), count: mean.count) }
      // A layer without the module has seen no token.
      weight = weight > 0 ? weight / Double(tokens) : 1
    }
  }

  /// Sums over tokens of the shares that heads have in the square of all heads together.
  fileprivate final class HeadShares {
    private let dimension: Int
    private var sums: [Double] = []

    init(_ dimension: Int) { self.dimension = dimension }

    func clear() { sums = [] }

    func add(_ x: Matrix<Float>) {
      let heads = x.columns / dimension
      if sums.isEmpty { sums = Array(repeating: 0, count: heads) }
      for i in 0..<x.rows {
        let squares = (0..<heads).map { head in
          let start = x.row(i) + head * dimension
          return Double(Kernels.dot(start, start, count: dimension))
        }
        let all = max(squares.reduce(0, +), .leastNormalMagnitude)
        for head in 0..<heads { sums[head] += squares[head] / all }
      }
    }

    func merge(_ other: HeadShares) { sums = sums.isEmpty ? other.sums : zip(sums, other.sums).map(+) }

    func means(over tokens: Int) -> [Float] { sums.map { Float($0 / Double(tokens)) } }
  }
}
