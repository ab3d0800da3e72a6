import LanguageModels
import LinearAlgebra

/// Gathers the statistics of one layer while the forward pass runs through it.
///
/// One accumulator per lane of the forward pass, added up in the order of the lanes at the end of the layer, so the
/// result does not depend on how many cores ran.
final class StatisticsCollector: @unchecked Sendable {
  private let lanes: [Lane]
  private let tokens: Int

  init(shape: LayerShape, headDimension: Int, tokens: Int) {
    self.tokens = tokens
    lanes = (0..<ForwardPass.lanes).map { _ in
      Lane(context: shape.queryHeads * headDimension, hidden: shape.mlpChannels)
    }
  }

  /// Called for the chunks of a lane one after another, for different lanes at once.
  func observe(_ tap: ActivationTap, _ activations: Matrix<Float>, lane: Int) {
    let lane = lanes[lane]
    switch tap {
    case .attentionContext: lane.context.add(activations)
    case .mlpHidden: lane.hidden.add(activations)
    case .afterAttention: lane.inverseEnergyAfterAttention += Self.inverseEnergy(activations)
    case .afterMLP: lane.inverseEnergyAfterMLP += Self.inverseEnergy(activations)
    }
  }

  func finish() -> LayerStatistics {
    for lane in lanes.dropFirst() {
      lanes[0].context.merge(lane.context)
      lanes[0].hidden.merge(lane.hidden)
      lanes[0].inverseEnergyAfterAttention += lane.inverseEnergyAfterAttention
      lanes[0].inverseEnergyAfterMLP += lane.inverseEnergyAfterMLP
    }
    let total = lanes[0]
    total.context.average(over: tokens)
    total.hidden.average(over: tokens)
    return LayerStatistics(
      contextGram: total.context.gram, contextMagnitude: total.context.magnitude.elements,
      hiddenGram: total.hidden.gram, hiddenMagnitude: total.hidden.magnitude.elements,
      energyAfterAttention: Double(tokens) / total.inverseEnergyAfterAttention,
      energyAfterMLP: Double(tokens) / total.inverseEnergyAfterMLP)
  }

  /// `Σ 1/‖x‖²` over the rows.
  private static func inverseEnergy(_ x: Matrix<Float>) -> Double {
    (0..<x.rows).reduce(0) { sum, i in
      sum + 1 / max(Double(Kernels.dot(x.row(i), x.row(i), count: x.columns)), .leastNormalMagnitude)
    }
  }

  private final class Lane {
    let context: Accumulator
    let hidden: Accumulator
    var inverseEnergyAfterAttention = 0.0
    var inverseEnergyAfterMLP = 0.0

    init(context: Int, hidden: Int) {
      self.context = Accumulator(width: context)
      self.hidden = Accumulator(width: hidden)
    }
  }

  /// Sums over tokens of `x xᵀ` and `|x|`.
  private final class Accumulator {
    let gram: Matrix<Float>
    let magnitude: Matrix<Float>

    init(width: Int) {
      gram = Matrix(rows: width, columns: width)
      magnitude = Matrix(rows: 1, columns: width)
    }

    func add(_ x: Matrix<Float>) {
      accumulateGram(x, accumulate: 1, into: gram)
      for i in 0..<x.rows { Kernels.addMagnitudes(x.row(i), to: magnitude.pointer, count: x.columns) }
    }

    func merge(_ other: Accumulator) {
      Kernels.add(other.gram.pointer, to: gram.pointer, count: gram.count)
      Kernels.add(other.magnitude.pointer, to: magnitude.pointer, count: magnitude.count)
    }

    func average(over tokens: Int) {
      mirrorUpperTriangle(gram)
      Kernels.scale(gram.pointer, by: 1 / Float(tokens), count: gram.count)
      Kernels.scale(magnitude.pointer, by: 1 / Float(tokens), count: magnitude.count)
    }
  }
}
