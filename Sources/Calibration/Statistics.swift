import LanguageModels
import LinearAlgebra
import Runtime

/// The activation statistics of one decoder layer that scores and repair need, as means over tokens.
public struct LayerStatistics: Sendable {
  /// `E[x xᵀ]` of the normed input of the query, key and value projections, shape `[hidden, hidden]`.
  public var attentionInputGram: Matrix<Float>
  /// `E[x xᵀ]` of the normed input of the gate and up projections, shape `[hidden, hidden]`.
  public var mlpInputGram: Matrix<Float>
  /// `E[x xᵀ]` of the output projection's input, shape `[queryHeads·D, queryHeads·D]`.
  public var contextGram: Matrix<Float>
  /// `E[|x|]` of the output projection's input.
  public var contextMagnitude: [Float]
  /// `E[x]` of the output projection's input.
  public var contextMean: [Float]
  /// `E[x xᵀ]` of the down projection's input, shape `[mlpChannels, mlpChannels]`.
  public var hiddenGram: Matrix<Float>
  /// `E[|x|]` of the down projection's input.
  public var hiddenMagnitude: [Float]
  /// `E[x]` of the down projection's input.
  public var hiddenMean: [Float]
  /// Harmonic mean of `‖x‖²` of the residual stream after the attention was added.
  ///
  /// The mean is harmonic because the next norm normalises every token on its own: an error matters relative to *its*
  /// token, and a few tokens with huge activations (the first of a window) must not hide the others.
  public var energyAfterAttention: Double
  /// Harmonic mean of `‖x‖²` of the residual stream after the MLP was added.
  public var energyAfterMLP: Double

  /// `E[x²]` of the output projection's input.
  public var contextSecondMoment: [Float] { (0..<contextGram.rows).map { contextGram[$0, $0] } }
  /// `E[x²] − E[x]²` of the output projection's input: its fluctuation over tokens.
  public var contextVariance: [Float] { Self.variance(contextSecondMoment, contextMean) }
  /// `E[x²] − E[x]²` of the down projection's input.
  public var hiddenVariance: [Float] { Self.variance(hiddenSecondMoment, hiddenMean) }

  /// Number of elements of all Gram matrices of a layer.
  public static func gramElements(of shape: LayerShape, in configuration: ModelConfiguration) -> Int {
    let (hidden, context) = (configuration.hiddenSize, shape.queryHeads * configuration.headDimension)
    return 2 * hidden * hidden + context * context + shape.mlpChannels * shape.mlpChannels
  }

  private static func variance(_ secondMoment: [Float], _ mean: [Float]) -> [Float] {
    zip(secondMoment, mean).map { max(0, $0 - $1 * $1) }
  }

  /// `E[x²]` of the down projection's input.
  public var hiddenSecondMoment: [Float] { (0..<hiddenGram.rows).map { hiddenGram[$0, $0] } }
}

/// Activation statistics of a network on one calibration set, layer by layer.
public protocol Statistics: Sendable {
  /// Name of the calibration set, as genes and reports show it.
  var name: String { get }
  /// Number of tokens in the means.
  var tokens: Int { get }
  var layerCount: Int { get }
  func layer(_ index: Int) throws -> LayerStatistics
  /// The gradients of a layer; `nil` if they were not gathered.
  func saliencies(of scalar: BackwardPass.Scalar, layer index: Int) throws -> LayerSaliencies?
  /// Time and memory of their computation; `nil` if unknown.
  var cost: ComputationCost? { get }
}

extension Statistics {
  public func saliencies(of scalar: BackwardPass.Scalar, layer index: Int) throws -> LayerSaliencies? { nil }
  public var cost: ComputationCost? { nil }
}

/// The statistics of several sets together, each weighted by its tokens. They need no pass of their own.
public struct MixedStatistics: Statistics {
  public let name: String
  private let parts: [any Statistics]

  public init(name: String, _ parts: [any Statistics]) {
    self.name = name
    self.parts = parts
  }

  public var tokens: Int { parts.reduce(0) { $0 + $1.tokens } }
  public var layerCount: Int { parts.first?.layerCount ?? 0 }
  /// `nil` if that of a part is not known.
  public var cost: ComputationCost? {
    let costs = parts.compactMap(\.cost)
    return costs.count < parts.count
      ? nil
      : ComputationCost(
        seconds: costs.reduce(0) { $0 + $1.seconds }, peakBytes: costs.compactMap(\.peakBytes).max())
  }

  public func layer(_ index: Int) throws -> LayerStatistics {
    let layers = try parts.map { try $0.layer(index) }
    let shares = parts.map { Float($0.tokens) / Float(tokens) }
    return LayerStatistics(
      attentionInputGram: Self.sum(layers.map(\.attentionInputGram), shares),
      mlpInputGram: Self.sum(layers.map(\.mlpInputGram), shares),
      contextGram: Self.sum(layers.map(\.contextGram), shares),
      contextMagnitude: Self.sum(layers.map(\.contextMagnitude), shares),
      contextMean: Self.sum(layers.map(\.contextMean), shares),
      hiddenGram: Self.sum(layers.map(\.hiddenGram), shares),
      hiddenMagnitude: Self.sum(layers.map(\.hiddenMagnitude), shares),
      hiddenMean: Self.sum(layers.map(\.hiddenMean), shares),
      energyAfterAttention: 1 / zip(layers, shares).reduce(0) { $0 + Double($1.1) / $1.0.energyAfterAttention },
      energyAfterMLP: 1 / zip(layers, shares).reduce(0) { $0 + Double($1.1) / $1.0.energyAfterMLP })
  }

  private static func sum(_ matrices: [Matrix<Float>], _ shares: [Float]) -> Matrix<Float> {
    let result = Matrix<Float>(rows: matrices[0].rows, columns: matrices[0].columns)
    for (matrix, share) in zip(matrices, shares) {
      for i in 0..<result.rows {
        Kernels.addScaled(matrix.row(i), share, to: result.row(i), count: result.columns)
      }
    }
    return result
  }

  private static func sum(_ vectors: [[Float]], _ shares: [Float]) -> [Float] {
    vectors[0].indices.map { i in zip(vectors, shares).reduce(0) { $0 + $1.0[i] * $1.1 } }
  }
}
