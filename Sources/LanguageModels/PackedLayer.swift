import LinearAlgebra

/// A linear map `y = W·x + b` whose weight is packed for products.
struct PackedLinear: Sendable {
  let weight: PackedWeight
  let bias: [Float]?

  /// - Parameter buffer: memory to use; `nil` for memory of its own.
  init(_ linear: Linear, _ precision: Precision, in buffer: PackedBuffer? = nil) {
    weight = PackedWeight(linear.weight, precision, in: buffer)
    bias = linear.bias
  }

  var outputs: Int { weight.outputs }

  /// `Y = X·Wᵀ + b`, or `Y += …` when `accumulating`.
  ///
  /// - Parameter range: outputs to compute, beginning at a multiple of 32; the other columns of `Y` are left alone.
  func apply(_ x: PackedRows, into y: Matrix<Float>, outputs range: Range<Int>? = nil, accumulating: Bool = false) {
    let range = range ?? 0..<outputs
    multiply(x, weight, outputs: range, accumulating: accumulating, into: y.columns(range))
    guard let bias else { return }
    bias.withUnsafeBufferPointer { bias in
      guard let bias = bias.baseAddress else { return }
      for i in 0..<y.rows { Kernels.add(bias + range.lowerBound, to: y.row(i) + range.lowerBound, count: range.count) }
    }
  }
}

/// The weights of a decoder layer with matrices packed for products in some precision.
///
/// Norms and biases stay in single precision.
public struct PackedLayer: Sendable {
  let precision: Precision
  let attentionNorm: [Float]
  let query: PackedLinear
  let key: PackedLinear
  let value: PackedLinear
  let output: PackedLinear
  let mlpNorm: [Float]
  let gate: PackedLinear
  let up: PackedLinear
  let down: PackedLinear

  /// In memory of its own.
  public init(_ weights: LayerWeights, _ precision: Precision) { self.init(weights, precision, in: nil) }

  /// - Parameter memory: to use until another layer is packed in it; `nil` for memory of its own.
  init(_ weights: LayerWeights, _ precision: Precision, in memory: LayerBuffers?) {
    self.precision = precision
    attentionNorm = weights.attentionNorm
    query = PackedLinear(weights.query, precision, in: memory?.query)
    key = PackedLinear(weights.key, precision, in: memory?.key)
    value = PackedLinear(weights.value, precision, in: memory?.value)
    output = PackedLinear(weights.output, precision, in: memory?.output)
    mlpNorm = weights.mlpNorm
    gate = PackedLinear(weights.gate, precision, in: memory?.gate)
    up = PackedLinear(weights.up, precision, in: memory?.up)
    down = PackedLinear(weights.down, precision, in: memory?.down)
  }

  /// The widths that the matrices have.
  func shape(headDimension: Int) -> LayerShape {
    LayerShape(
      queryHeads: query.outputs / headDimension, kvHeads: key.outputs / headDimension, mlpChannels: gate.outputs)
  }

  /// Bytes that the packed matrices of a layer take.
  public static func byteCount(_ shape: LayerShape, in configuration: ModelConfiguration, _ precision: Precision) -> Int
  {
    let projections: [LayerPart] = [.query, .key, .value, .output, .gate, .up, .down]
    return projections.reduce(0) { sum, part in
      let dimensions = part.dimensions(in: configuration, shape)
      return sum + PackedWeight.byteCount(outputs: dimensions[0], inputs: dimensions[1], precision)
    }
  }
}

/// Memory for a packed layer, used again for layers that are not wider.
final class LayerBuffers: Sendable {
  let query: PackedBuffer
  let key: PackedBuffer
  let value: PackedBuffer
  let output: PackedBuffer
  let gate: PackedBuffer
  let up: PackedBuffer
  let down: PackedBuffer

  /// For the layers of a configuration, in any precision.
  init(_ configuration: ModelConfiguration) {
    let hidden = configuration.hiddenSize
    let (queries, keys, channels) = configuration.widest
    query = PackedBuffer(outputs: queries, inputs: hidden)
    key = PackedBuffer(outputs: keys, inputs: hidden)
    value = PackedBuffer(outputs: keys, inputs: hidden)
    output = PackedBuffer(outputs: hidden, inputs: queries)
    gate = PackedBuffer(outputs: channels, inputs: hidden)
    up = PackedBuffer(outputs: channels, inputs: hidden)
    down = PackedBuffer(outputs: hidden, inputs: channels)
  }
}

extension LayerWeights {
  /// The layer with some projections that have no outputs.
  func without(_ projections: [WritableKeyPath<LayerWeights, Linear>]) -> LayerWeights {
    var result = self
    for projection in projections {
      result[keyPath: projection] = Linear(weight: self[keyPath: projection].weight.rows(0..<0))
    }
    return result
  }
}
