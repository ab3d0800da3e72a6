import LinearAlgebra

/// A linear map `y = W·x + b`, `W` of shape `[outputs, inputs]`.
public struct Linear: Sendable {
  public var weight: Matrix<Float>
  public var bias: [Float]?

  public init(weight: Matrix<Float>, bias: [Float]? = nil) {
    self.weight = weight
    self.bias = bias
  }

  public var outputs: Int { weight.rows }
  public var inputs: Int { weight.columns }

  /// `Y = X·Wᵀ + b` for rows `X` of shape `[tokens, inputs]`, or `Y += …` when `accumulating`.
  public func apply(_ x: Matrix<Float>, into y: Matrix<Float>, accumulating: Bool = false) {
    multiply(x, weight, transposingB: true, accumulate: accumulating ? 1 : 0, into: y)
    guard let bias else { return }
    bias.withUnsafeBufferPointer { bias in
      guard let bias = bias.baseAddress else { return }
      for i in 0..<y.rows { Kernels.add(bias, to: y.row(i), count: y.columns) }
    }
  }
}

/// The weights of one decoder layer, in single precision.
public struct LayerWeights: Sendable {
  public var attentionNorm: [Float]
  public var query: Linear
  public var key: Linear
  public var value: Linear
  public var output: Linear
  public var mlpNorm: [Float]
  public var gate: Linear
  public var up: Linear
  public var down: Linear

  public init(
    attentionNorm: [Float], query: Linear, key: Linear, value: Linear, output: Linear,
    mlpNorm: [Float], gate: Linear, up: Linear, down: Linear
  ) {
    self.attentionNorm = attentionNorm
    self.query = query
    self.key = key
    self.value = value
    self.output = output
    self.mlpNorm = mlpNorm
    self.gate = gate
    self.up = up
    self.down = down
  }
}

/// Anything the forward pass can run: a checkpoint, or a subnet that inherits from one.
public protocol Network: Sendable {
  var configuration: ModelConfiguration { get }
  /// Shape `[vocabulary, hidden]`.
  var embedding: Matrix<Float> { get }
  /// Shape `[hidden]`.
  var finalNorm: [Float] { get }
  /// The output head, shape `[vocabulary, hidden]`; the embedding when tied.
  var head: Matrix<Float> { get }
  /// The weights of layer `index`, widened or assembled on demand.
  func layer(_ index: Int) throws -> LayerWeights
}
