import LinearAlgebra

/// Numbers for the weights of one layer, part by part, in their shapes; biases and gains are one row.
public struct LayerGradients: Sendable, ProjectionTable {
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

    /// Adds the gradients of a product `Y = X·Wᵀ + b`: `∂W = ∂Yᵀ·X`, `∂b = ∂Yᵀ·1`.
    ///
    /// - Parameter range: outputs that the columns of `∂Y` are; `nil` for all.
    func add(outputGrad: Matrix<Float>, input: Matrix<Float>, toOutputs range: Range<Int>? = nil) {
      let range = range ?? 0..<weight.rows
      multiply(outputGrad, input, transposingA: true, accumulate: 1, into: weight.rows(range))
      guard let bias else { return }
      for i in 0..<outputGrad.rows {
        Kernels.add(outputGrad.row(i), to: bias.pointer + range.lowerBound, count: range.count)
      }
    }

    var parts: [Matrix<Float>] { [weight] + (bias.map { [$0] } ?? []) }

    func fits(_ linear: Linear) -> Bool {
      weight.rows == linear.outputs && weight.columns == linear.inputs && (bias == nil) == (linear.bias == nil)
    }
  }

  private var projections: LayerTable<Projection>
  private let gains: LayerTable<Matrix<Float>>

  /// Zeros in the shapes of a layer's weights.
  init(like weights: LayerWeights) {
    projections = LayerTable { Projection(like: weights[$0]) }
    gains = LayerTable { Matrix(rows: 1, columns: weights[gain: $0].count) }
  }

  public subscript(part: LayerPart) -> Projection {
    get { projections[part] }
    set { projections[part] = newValue }
  }

  /// The gradient of a norm's gains, shape `[1, gains]`.
  public subscript(gain part: LayerPart) -> Matrix<Float> { gains[part] }

  /// Everything, in a fixed order.
  var parts: [Matrix<Float>] {
    LayerPart.norms.map { gains[$0] } + LayerPart.projections.flatMap { projections[$0].parts }
  }

  /// Makes zeros of the shapes of a layer's weights, in the memory that is there if it fits.
  static func clear(_ gradients: inout LayerGradients?, like weights: LayerWeights) {
    if let known = gradients, known.fits(weights) { return known.fill(0) }
    gradients = nil
    gradients = LayerGradients(like: weights)
  }

  private func fits(_ weights: LayerWeights) -> Bool {
    LayerPart.projections.allSatisfy { projections[$0].fits(weights[$0]) }
      && LayerPart.norms.allSatisfy { gains[$0].columns == weights[gain: $0].count }
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
