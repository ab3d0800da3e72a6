import LinearAlgebra

@testable import Calibration
@testable import Importance
@testable import LanguageModels

/// A layer of random weights and statistics: 3 groups of 2 queries in heads of 2, 5 channels, hidden size 7.
struct Tiny {
  let shape = LayerShape(queryHeads: 6, kvHeads: 3, mlpChannels: 5)
  let dimension = 2
  let hidden = 7
  var weights: LayerWeights
  var statistics: LayerStatistics
  private static let count = 24

  /// The norms of a layer.
  enum Norms: CaseIterable {
    /// Before attention and MLP.
    case before
    /// Before and behind them, as Gemma has them.
    case around
    /// Behind them only, as OLMo 2 has them.
    case behind

    var parts: Set<LayerPart> {
      let (before, behind): (Set<LayerPart>, Set<LayerPart>) = (
        [.attentionNorm, .mlpNorm], [.attentionPostNorm, .mlpPostNorm]
      )
      return switch self {
      case .before: BlockDescription.standardParts
      case .around: BlockDescription.standardParts.union(behind)
      case .behind: BlockDescription.standardParts.subtracting(before).union(behind)
      }
    }
  }

  init(seed: UInt64 = 1, index: Int = 0, norms: Norms = .before) {
    var random = SeededGenerator(seed: seed)
    func vector(_ count: Int, positive: Bool = false) -> [Float] {
      (0..<count).map { _ in Float(positive ? random.unit() + 0.1 : 2 * random.unit() - 1) }
    }
    func matrix(_ rows: Int, _ columns: Int) -> Matrix<Float> {
      Matrix(vector(rows * columns), rows: rows, columns: columns)
    }
    func gram(_ order: Int) -> Matrix<Float> {
      let x = matrix(40, order)
      let result = Matrix<Float>(rows: order, columns: order)
      multiply(x, x, transposingA: true, scale: 1 / 40, into: result)
      return result
    }
    weights = LayerWeights()
    for part in LayerPart.allCases where norms.parts.contains(part) {
      func size(_ axis: LayerPart.Axis) -> Int {
        switch axis {
        case .hidden: 7
        case .head: 2
        case .queryHeads: 12
        case .queries: 6
        case .kvHeads: 6
        case .channels: 5
        case .experts: 0
        }
      }
      if let inputs = part.inputs {
        weights[part] = Linear(weight: matrix(size(part.outputs), size(inputs)))
      } else {
        weights[gain: part] = vector(size(part.outputs))
      }
    }
    statistics = LayerStatistics(
      attentionInputGram: gram(7), mlpInputGram: gram(7), contextGram: gram(12),
      contextMagnitude: vector(12, positive: true), contextMean: vector(12), hiddenGram: gram(5),
      hiddenMagnitude: vector(5, positive: true), hiddenMean: vector(5), energyAfterAttention: 3, energyAfterMLP: 4)
    if norms != .before { (statistics.contextWeight, statistics.hiddenWeight) = (0.6, 1.7) }
    self.index = index
  }

  let index: Int

  /// Gradients and squares that look random, for weights of these shapes.
  static func gradients(_ weights: LayerWeights) -> (first: LayerGradients, squares: LayerGradients) {
    let (first, squares) = (LayerGradients(like: weights), LayerGradients(like: weights))
    var random = SeededGenerator(seed: 77)
    for (part, square) in zip(first.parts, squares.parts) {
      for place in 0..<part.count {
        part.pointer[place] = Float(2 * random.unit() - 1)
        square.pointer[place] = Float(random.unit())
      }
    }
    return (first, squares)
  }

  /// Second moments of a few random vectors that differ much in size.
  static func moments(_ order: Int, seed: UInt64) -> Matrix<Float> {
    var random = SeededGenerator(seed: seed)
    let x = Matrix<Float>(rows: 20, columns: order)
    for i in 0..<20 { for j in 0..<order { x[i, j] = Float((2 * random.unit() - 1) * Double(1 + j * j)) } }
    let result = Matrix<Float>(rows: order, columns: order)
    multiply(x, x, transposingA: true, scale: 1 / 20, into: result)
    return result
  }

  static func saliencies(_ weights: LayerWeights) -> LayerSaliencies {
    let (first, squares) = gradients(weights)
    return LayerSaliencies(
      BackwardPass.Layer(
        index: 0, weights: weights, gradients: first, squares: squares,
        outputMoments: .init(attention: moments(7, seed: 78), mlp: moments(7, seed: 79))))
  }

  var layer: ScoredLayer {
    ScoredLayer(
      index: index, shape: shape, headDimension: dimension, weights: weights, statistics: statistics,
      saliencies: Self.saliencies(weights))
  }

  /// Input columns of the output projection that belong to a group.
  func columns(of group: Int) -> Range<Int> { group * 4..<group * 4 + 4 }

  /// The weight by which a module's units reach the stream: behind a norm each row times its gain.
  func toStream(_ module: LayerPart.Module) -> Matrix<Float> {
    let (weight, gain) = (weights[module.output].weight, weights[gain: module.postNorm])
    let result = Matrix<Float>(rows: weight.rows, columns: weight.columns)
    for i in 0..<weight.rows {
      for j in 0..<weight.columns { result[i, j] = weight[i, j] * (gain.isEmpty ? 1 : gain[i]) }
    }
    return result
  }

  /// Makes one channel carry the activations and the weights of another.
  mutating func duplicateChannel(_ original: Int, as copy: Int) {
    weights.down.weight = weights.down.weight.copy()
    for i in 0..<hidden { weights.down.weight[i, copy] = weights.down.weight[i, original] }
    let gram = statistics.hiddenGram.copy()
    for i in 0..<gram.rows { gram[i, copy] = gram[i, original] }
    for i in 0..<gram.rows { gram[copy, i] = gram[original, i] }
    statistics.hiddenGram = gram
  }
}
