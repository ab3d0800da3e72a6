import LanguageModels
import LinearAlgebra
import Runtime

/// The activation statistics of one decoder layer that scores and repair need, as means over tokens.
///
/// If a norm stands between the output or down projection and the residual stream, an error of the projection counts
/// relative to its output. So `x` is then the input multiplied by the token's `s`, the inverse root mean square of the
/// output, but for `E[x]`, which is the mean of the input itself with the tokens weighted by `s²`: the constant that is
/// nearest to it behind the norm.
public struct LayerStatistics: Sendable {
  /// `E[x xᵀ]` of the normed input of the query, key and value projections, shape `[hidden, hidden]`. If no norm stands
  /// before them, each token is divided by its root mean square all the same: norms behind see outputs relatively.
  public var attentionInputGram: Matrix<Float>
  /// `E[x xᵀ]` of the normed input of the gate and up projections, shape `[hidden, hidden]`, likewise.
  public var mlpInputGram: Matrix<Float>
  /// `E[x xᵀ]` of the output projection's input, shape `[queryHeads·D, queryHeads·D]`.
  public var contextGram: Matrix<Float>
  /// `E[|x|]` of the output projection's input.
  public var contextMagnitude: [Float]
  /// `E[x]` of the output projection's input.
  public var contextMean: [Float]
  /// `E[x xᵀ]` of the down projection's input, shape `[mlpChannels, mlpChannels]`. For a mixture of experts those of
  /// the experts' own inputs, one below the other, shape `[experts·a, a]`: what a token's experts have in common is
  /// left out.
  public var hiddenGram: Matrix<Float>
  /// `E[|x|]` of the down projection's input.
  public var hiddenMagnitude: [Float]
  /// `E[x]` of the down projection's input.
  public var hiddenMean: [Float]
  /// `E[x rᵀ]` of the output projection's input and of what its output lacks, shape `[queryHeads·D, hidden]`; `nil` if
  /// nothing is lacking, as on the dense network's own activations. On those of a pruned one `r` is what the residual
  /// stream lacks behind the projection against the dense network's. It is divided and weighted as `x` is.
  public var contextLacking: Matrix<Float>?
  /// The same of the down projection, shape `[mlpChannels, hidden]`.
  public var hiddenLacking: Matrix<Float>?
  /// Harmonic mean of `‖x‖²` of the residual stream after the attention was added.
  ///
  /// The mean is harmonic because the next norm normalises every token on its own: an error matters relative to *its*
  /// token, and a few tokens with huge activations (the first of a window) must not hide the others.
  public var energyAfterAttention: Double
  /// Harmonic mean of `‖x‖²` of the residual stream after the MLP was added.
  public var energyAfterMLP: Double
  /// `E[s²]` of the output projection; 1 without a norm behind it.
  public var contextWeight = 1.0
  /// `E[s²]` of the down projection.
  public var hiddenWeight = 1.0
  /// The mean share of each query head in the square of all query heads of a token; empty if no norm runs over all
  /// heads.
  public var queryShares: [Float] = []
  /// The same of the keys.
  public var keyShares: [Float] = []

  /// The share of tokens that use an expert; empty if there are none.
  public var expertUse: [Float] = []
  /// Mean length of what an expert adds to the stream, `E[g·‖f‖]`: zero for tokens that do not use it.
  public var expertLengths: [Float] = []

  /// `E[x²]` of the output projection's input.
  public var contextSecondMoment: [Float] { (0..<contextGram.rows).map { contextGram[$0, $0] } }
  /// `E[x²] − E[s²]·E[x]²` of the output projection's input: its fluctuation over tokens.
  public var contextVariance: [Float] { Self.variance(contextSecondMoment, contextMean, contextWeight) }
  /// `E[x²] − E[s²]·E[x]²` of the down projection's input.
  public var hiddenVariance: [Float] { Self.variance(hiddenSecondMoment, hiddenMean, hiddenWeight) }

  /// Number of elements of all Gram matrices of a layer.
  public static func gramElements(of shape: LayerShape, in configuration: ModelConfiguration) -> Int {
    let (hidden, context) = (configuration.hiddenSize, shape.queryHeads * configuration.headDimension)
    return 2 * hidden * hidden + context * context + configuration.hiddenGramColumns(of: shape)
      * configuration.activations(of: shape)
  }

  private static func variance(_ secondMoment: [Float], _ mean: [Float], _ weight: Double) -> [Float] {
    zip(secondMoment, mean).map { max(0, $0 - Float(weight) * $1 * $1) }
  }

  /// `E[x²]` of the down projection's input.
  public var hiddenSecondMoment: [Float] { (0..<hiddenGram.rows).map { hiddenGram[$0, $0 % hiddenGram.columns] } }
}

extension ModelConfiguration {
  /// The columns of `LayerStatistics.hiddenGram`.
  func hiddenGramColumns(of shape: LayerShape) -> Int {
    block.experts == nil ? shape.mlpChannels : activationsPerUnit
  }
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
    let weights = [\LayerStatistics.contextWeight, \.hiddenWeight].map { weight in
      zip(layers, shares).reduce(0.0) { $0 + $1.0[keyPath: weight] * Double($1.1) }
    }
    func mean(
      _ mean: KeyPath<LayerStatistics, [Float]>, _ weight: KeyPath<LayerStatistics, Double>, _ sum: Double
    ) -> [Float] {
      Self.sum(
        layers.map { $0[keyPath: mean] }, zip(layers, shares).map { Float(Double($1) * $0[keyPath: weight] / sum) })
    }
    func lacking(_ moments: KeyPath<LayerStatistics, Matrix<Float>?>) -> Matrix<Float>? {
      let known = layers.compactMap { $0[keyPath: moments] }
      return known.count == layers.count ? Self.sum(known, shares) : nil
    }
    return LayerStatistics(
      attentionInputGram: Self.sum(layers.map(\.attentionInputGram), shares),
      mlpInputGram: Self.sum(layers.map(\.mlpInputGram), shares),
      contextGram: Self.sum(layers.map(\.contextGram), shares),
      contextMagnitude: Self.sum(layers.map(\.contextMagnitude), shares),
      contextMean: mean(\.contextMean, \.contextWeight, weights[0]),
      hiddenGram: Self.sum(layers.map(\.hiddenGram), shares),
      hiddenMagnitude: Self.sum(layers.map(\.hiddenMagnitude), shares),
      hiddenMean: mean(\.hiddenMean, \.hiddenWeight, weights[1]),
      contextLacking: lacking(\.contextLacking), hiddenLacking: lacking(\.hiddenLacking),
      energyAfterAttention: 1 / zip(layers, shares).reduce(0) { $0 + Double($1.1) / $1.0.energyAfterAttention },
      energyAfterMLP: 1 / zip(layers, shares).reduce(0) { $0 + Double($1.1) / $1.0.energyAfterMLP },
      contextWeight: weights[0], hiddenWeight: weights[1], queryShares: Self.sum(layers.map(\.queryShares), shares),
      keyShares: Self.sum(layers.map(\.keyShares), shares), expertUse: Self.sum(layers.map(\.expertUse), shares),
      expertLengths: Self.sum(layers.map(\.expertLengths), shares))
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
