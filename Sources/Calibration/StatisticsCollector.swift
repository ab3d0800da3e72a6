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
    case .afterAttention: lane.energyAfterAttention += Self.energy(activations)
    case .afterMLP: lane.energyAfterMLP += Self.energy(activations)
    }
  }

  func finish() -> LayerStatistics {
    for lane in lanes.dropFirst() {
      lanes[0].context.merge(lane.context)
      lanes[0].hidden.merge(lane.hidden)
      lanes[0].energyAfterAttention += lane.energyAfterAttention
      lanes[0].energyAfterMLP += lane.energyAfterMLP
    }
    let total = lanes[0]
    total.context.average(over: tokens)
    total.hidden.average(over: tokens)
    return LayerStatistics(
      contextGram: total.context.gram, contextMagnitude: total.context.magnitude.elements,
      hiddenGram: total.hidden.gram, hiddenMagnitude: total.hidden.magnitude.elements,
      energyAfterAttention: total.energyAfterAttention / Double(tokens),
      energyAfterMLP: total.energyAfterMLP / Double(tokens))
  }

  private static func energy(_ x: Matrix<Float>) -> Double {
    (0..<x.rows).reduce(0) { $0 + Double(Kernels.dot(x.row($1), x.row($1), count: x.columns)) }
  }

  private final class Lane {
    let context: Accumulator
    let hidden: Accumulator
    var energyAfterAttention = 0.0
    var energyAfterMLP = 0.0

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
