import LinearAlgebra

/// What belongs to the weights of one layer, matrix by matrix, in their shapes; biases and gains are one row.
public struct LayerGradients: Sendable {
  /// Gradient of a linear map.
  public struct Projection: Sendable {
    /// Shape `[outputs, inputs]`.
    public let weight: Matrix<Float>
    /// Shape `[1, outputs]`; `nil` where the map has no bias.
    public let bias: Matrix<Float>?

    init(like linear: Linear) {
      weight = Matrix(rows: linear.outputs, columns: linear.inputs)
      bias = linear.bias.map { Matrix(rows: 1, columns: $0.count) }
    }

    var parts: [Matrix<Float>] { [weight] + (bias.map { [$0] } ?? []) }
  }

  public let attentionNorm: Matrix<Float>
  public let query: Projection
  public let key: Projection
  public let value: Projection
  public let output: Projection
  public let mlpNorm: Matrix<Float>
  public let gate: Projection
  public let up: Projection
  public let down: Projection

  /// Zeros in the shapes of a layer's weights.
  init(like weights: LayerWeights) {
    attentionNorm = Matrix(rows: 1, columns: weights.attentionNorm.count)
    query = Projection(like: weights.query)
    key = Projection(like: weights.key)
    value = Projection(like: weights.value)
    output = Projection(like: weights.output)
    mlpNorm = Matrix(rows: 1, columns: weights.mlpNorm.count)
    gate = Projection(like: weights.gate)
    up = Projection(like: weights.up)
    down = Projection(like: weights.down)
  }

  /// Everything, in a fixed order.
  var parts: [Matrix<Float>] {
    [attentionNorm, mlpNorm] + [query, key, value, output, gate, up, down].flatMap(\.parts)
  }

  /// Makes zeros of the shapes of a layer's weights, in the memory that is there if it fits.
  static func clear(_ gradients: inout LayerGradients?, like weights: LayerWeights) {
    if let known = gradients, known.fits(weights) { return known.fill(0) }
    gradients = nil
    gradients = LayerGradients(like: weights)
  }

  private func fits(_ weights: LayerWeights) -> Bool {
    let mine = [query, key, value, output, gate, up, down]
    let theirs = [
      weights.query, weights.key, weights.value, weights.output, weights.gate, weights.up, weights.down,
    ]
    return zip(mine, theirs).allSatisfy {
      $0.weight.rows == $1.outputs && $0.weight.columns == $1.inputs && ($0.bias == nil) == ($1.bias == nil)
    }
  }

  func fill(_ value: Float) { for part in parts { part.fill(value) } }

  /// `self += other`.
  func add(_ other: LayerGradients) {
    for (mine, theirs) in zip(parts, other.parts) { Kernels.add(theirs.pointer, to: mine.pointer, count: mine.count) }
  }

  /// `self += factor·other²`, element by element.
  func addSquares(_ other: LayerGradients, _ factor: Float) {
    for (mine, theirs) in zip(parts, other.parts) {
      Kernels.addSquares(theirs.pointer, factor, to: mine.pointer, count: mine.count)
    }
  }
}
