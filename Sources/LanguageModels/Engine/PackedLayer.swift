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
  let attentionKind: Int
  private let linears: LayerTable<PackedLinear>
  /// The parts of an MLP of experts, as they are: few tokens share an expert, and packing would cost more than it saves.
  let experts: ExpertWeights?
  private let gains: LayerTable<[Float]>

  /// In memory of its own.
  public init(_ weights: LayerWeights, _ precision: Precision) { self.init(weights, precision, in: nil) }

  /// - Parameter memory: to use until another layer is packed in it; `nil` for memory of its own.
  init(_ weights: LayerWeights, _ precision: Precision, in memory: LayerBuffers?) {
    self.precision = precision
    attentionKind = weights.attentionKind
    let experts = weights.hasExperts ? ExpertWeights(weights) : nil
    linears = LayerTable { part in
      experts != nil && part.module == .mlp
        ? PackedLinear(.none, precision) : PackedLinear(weights[part], precision, in: memory?[part])
    }
    self.experts = experts
    gains = LayerTable { weights[gain: $0] }
  }

  subscript(part: LayerPart) -> PackedLinear { linears[part] }

  subscript(gain part: LayerPart) -> [Float] { gains[part] }

  /// The widths that the matrices have.
  func shape(headDimension: Int) -> LayerShape {
    LayerShape(
      queryHeads: self[.query].outputs / headDimension, kvHeads: self[.key].outputs / headDimension,
      mlpChannels: experts?.count ?? self[.gate].outputs)
  }

  /// Bytes that the packed matrices of a layer take. Experts are not packed.
  public static func byteCount(_ shape: LayerShape, in configuration: ModelConfiguration, _ precision: Precision) -> Int
  {
    configuration.packedParts.reduce(0) { sum, part in
      let dimensions = part.dimensions(in: configuration, shape)
      return sum + PackedWeight.byteCount(outputs: dimensions[0], inputs: dimensions[1], precision)
    }
  }
}

/// Memory for a packed layer, used again for layers that are not wider.
final class LayerBuffers: Sendable {
  private let buffers: LayerTable<PackedBuffer>

  /// For the layers of a configuration, in any precision.
  init(_ configuration: ModelConfiguration) {
    let widest = configuration.widest
    let packed = configuration.packedParts
    buffers = LayerTable { part in
      let dimensions = packed.contains(part) ? part.dimensions(in: configuration, widest) : [0, 0]
      return PackedBuffer(outputs: dimensions[0], inputs: dimensions[1])
    }
  }

  subscript(part: LayerPart) -> PackedBuffer { buffers[part] }
}

extension ModelConfiguration {
  /// The projections whose weights are packed.
  fileprivate var packedParts: [LayerPart] {
    LayerPart.projections.filter { block.parts.contains($0) && (block.experts == nil || $0.module == .attention) }
  }
}

extension LayerWeights {
  /// The layer with some projections, the others without outputs.
  func keeping(_ projections: [LayerPart]) -> LayerWeights {
    mapProjections { projections.contains($0) ? $1 : Linear(weight: $1.weight.rows(0..<0)) }
  }
}
