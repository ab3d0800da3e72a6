import LinearAlgebra

/// The machine that computes a network: the one seam behind which another processor may stand.
///
/// The cut is coarse. An engine gets whole layers, whole batches of tokens and whole matrices, and keeps what it makes of them
/// (packed or uploaded weights, workspaces, caches) to itself. Residual streams, gradients and statistics cross the seam as
/// matrices in memory. A network carries its engine (`Network.engine`), so no caller chooses one twice.
///
/// Results of one engine are the same on every run. Those of two engines differ by rounding: a study stores the name of its
/// engine and goes on only with the same. `docs/adding-an-engine.md` says how to add one; `EngineConformance` in the tests is
/// what it must pass.
public protocol Engine: Sendable {
  /// A short name that a study stores, such as `cpu`.
  var name: String { get }

  /// A layer's weights in the form in which this engine multiplies by them.
  func prepare(_ weights: LayerWeights, of configuration: ModelConfiguration, _ precision: Precision)
    -> any PreparedLayer

  /// Bytes that a prepared layer takes.
  func bytes(ofPrepared shape: LayerShape, in configuration: ModelConfiguration, _ precision: Precision) -> Int

  /// Whatever takes hidden states of token windows through layers.
  ///
  /// - Parameter streams: largest number of hidden states that go through a layer together.
  func pass(
    over windows: TokenWindows, through configuration: ModelConfiguration, streams: Int, _ precision: Precision
  ) -> any EnginePass

  /// Whatever takes hidden states of tokens of trees through layers.
  ///
  /// - Parameter streams: largest number of hidden states that go through a layer together.
  func pass(
    over trees: TokenTrees, through configuration: ModelConfiguration, streams: Int, _ precision: Precision
  ) -> any EnginePass

  /// Whatever takes gradients of token windows back through layers, in single precision.
  func backward(over windows: TokenWindows, through configuration: ModelConfiguration) -> any EngineBackward

  /// An output head.
  ///
  /// - Parameters:
  ///   - weight: weight of the head, shape `[vocabulary, hidden]`.
  ///   - cap: the number `c` of `c·tanh(logit/c)`; `nil` leaves logits as they are.
  func head(_ weight: Matrix<Float>, cap: Float?, _ precision: Precision) -> any EngineHead

  /// Adds `XᵀX` to the upper triangle of a Gram matrix.
  ///
  /// - Parameters:
  ///   - x: inputs, shape `[tokens, inputs]`.
  ///   - gram: sum so far, shape `[inputs, inputs]`; what is below the diagonal is undefined.
  func addGram(of x: Matrix<Float>, to gram: Matrix<Float>)

  /// Factorises a positive definite matrix, shape `[n, n]`, which may be overwritten.
  ///
  /// - Throws: if it is not positive definite.
  func factor(_ matrix: Matrix<Double>) throws -> any EngineFactor

  /// Whatever feeds a network tokens and remembers keys and values.
  ///
  /// - Parameters:
  ///   - sequences: number of sequences that go on together.
  ///   - capacity: largest number of tokens of a sequence.
  func decoder<Model: Network>(
    _ network: Model, sequences: Int, capacity: Int, _ precision: Precision
  ) -> any EngineDecoder
}

/// The engines that a study can name. A new engine is one file with its type, and a case here.
public enum EngineKind: String, Sendable, Codable, CaseIterable {
  case cpu

  public var engine: any Engine {
    switch self {
    case .cpu: CPUEngine()
    }
  }
}

/// A layer's weights as an engine wants them. Opaque to everybody else.
public protocol PreparedLayer: Sendable {}

/// Takes hidden states of the same token windows through layers, in place.
public protocol EnginePass: Sendable {
  /// Pieces that the windows are cut into: an observer sees one at a time.
  var chunkCount: Int { get }

  /// Runs one layer on hidden states of shape `[tokens, hidden]`.
  ///
  /// - Parameters:
  ///   - index: number of the layer, for the observer.
  ///   - most: number of lanes that the observer is ready for.
  ///   - observer: hears of the activations of every chunk, chunk after chunk within a lane; `nil` for nobody.
  func run(
    layer index: Int, weights: LayerWeights, _ hidden: Matrix<Float>, lanes most: Int,
    observer: ForwardPass.Observer?
  ) throws

  /// Runs several hidden states of the same windows, each through a layer of its own.
  func run(_ streams: [(weights: any PreparedLayer, hidden: Matrix<Float>)]) throws

  /// The inputs of a module's output projection for all tokens: shape `[tokens, queryHeads·D]` of the attention's,
  /// `[tokens, mlpChannels]` of the MLP's, `[tokens, experts·a]` of a mixture's, with `a` activations for each expert
  /// (`ModelConfiguration.activationsPerUnit`) and zeros for experts that a token does not use.
  func inputs(of module: LayerPart.Module, layer weights: LayerWeights, _ hidden: Matrix<Float>) throws -> Matrix<Float>

  /// `hidden += N(projection(activations))` for all tokens.
  ///
  /// - Parameters:
  ///   - projection: the output projection of `module`, with the biases of experts (`LayerWeights[toStream:]`).
  ///   - gain: gains of the norm `N` between the projection and the stream; empty for none.
  ///   - activations: the projection's inputs, as `inputs` gives them.
  func add(
    _ projection: Linear, from module: LayerPart.Module, postNorm gain: [Float], of activations: Matrix<Float>,
    to hidden: Matrix<Float>
  ) throws

  /// The root-mean-square norm of every token, in place; nothing happens without gains.
  func normalise(_ hidden: Matrix<Float>, gain: [Float]) throws
}

extension EnginePass {
  /// Runs one layer that nobody observes.
  public func run(layer index: Int, weights: LayerWeights, _ hidden: Matrix<Float>) throws {
    try run(layer: index, weights: weights, hidden, lanes: ForwardPass.lanes, observer: nil)
  }

  /// `hidden += projection(activations)` for all tokens.
  ///
  /// - Parameter module: module whose output projection it is; any but a mixture of experts is as good as another.
  public func add(
    _ projection: Linear, from module: LayerPart.Module = .attention, of activations: Matrix<Float>,
    to hidden: Matrix<Float>
  ) throws { try add(projection, from: module, postNorm: [], of: activations, to: hidden) }

  /// `hidden += N(projection(activations))` for all tokens, of no mixture of experts.
  public func add(
    _ projection: Linear, postNorm gain: [Float], of activations: Matrix<Float>, to hidden: Matrix<Float>
  ) throws { try add(projection, from: .attention, postNorm: gain, of: activations, to: hidden) }

  /// Runs one layer for an observer that is ready for all lanes.
  public func run(
    layer index: Int, weights: LayerWeights, _ hidden: Matrix<Float>, observer: ForwardPass.Observer?
  ) throws {
    try run(layer: index, weights: weights, hidden, lanes: ForwardPass.lanes, observer: observer)
  }
}

/// Takes gradients of the same token windows back through layers.
public protocol EngineBackward {
  /// - Parameters:
  ///   - weights: weights of the layer.
  ///   - input: residual stream before the layer, shape `[tokens, hidden]`.
  ///   - grad: in, the gradient with respect to the stream after the layer; out, that before it.
  ///   - parts: what is wanted beside it.
  /// - Returns: sums over all windows; their memory may be used again by the next call.
  func run(
    _ weights: LayerWeights, input: Matrix<Float>, grad: Matrix<Float>, _ parts: BackwardPass.Parts
  ) throws -> BackwardPass.Gathered
}

/// Turns final hidden states into logits, or into what is wanted of them.
public protocol EngineHead: Sendable {
  /// Summaries of all tokens' logits.
  ///
  /// - Parameters:
  ///   - hidden: shape `[tokens, hidden]`.
  ///   - target: the vocabulary's index whose logit is wanted for a row, if any.
  func summaries(_ hidden: Matrix<Float>, target: @Sendable (_ row: Int) -> Int32?) throws -> [OutputHead.Summary]

  /// Calls `body(rows, logits)` for blocks of rows, `logits` of shape `[rows.count, vocabulary]`.
  ///
  /// Blocks may run at the same time; `body` may overwrite the logits, whose memory is used again.
  func forEachBlock(
    _ hidden: Matrix<Float>, _ body: @Sendable (_ rows: Range<Int>, _ logits: Matrix<Float>) -> Void
  ) throws
}

extension EngineHead {
  /// All logits, shape `[tokens, vocabulary]`: for a few tokens only.
  public func logits(_ hidden: Matrix<Float>, vocabulary: Int) throws -> Matrix<Float> {
    let result = Matrix<Float>(rows: hidden.rows, columns: vocabulary)
    try forEachBlock(hidden) { rows, logits in result.rows(rows).assign(logits) }
    return result
  }
}

/// `H = L·Lᵀ` of a positive definite matrix, with products and solutions for matrices of `n` rows.
public protocol EngineFactor: Sendable {
  var order: Int { get }
  /// `B ← Lᵀ·B`.
  func multiplyTransposed(_ b: Matrix<Double>)
  /// `B ← L[:s, :s]⁻ᵀ·B`, `s` the rows of `B`.
  func solveLowerTransposed(_ b: Matrix<Double>)
  /// `B ← L[:s, :s]⁻¹·B`, `s` the rows of `B`.
  func solveLower(_ b: Matrix<Double>)
}

/// Feeds a network tokens and remembers their keys and values.
public protocol EngineDecoder {
  /// Feeds tokens to sequences that have none so far, many at once.
  ///
  /// - Parameters:
  ///   - runs: tokens for each sequence; none or any number, less than the capacity.
  ///   - goesOn: asked before each piece of them.
  /// - Returns: whether all was read; if not, the decoder is of no more use.
  func read(_ runs: [ArraySlice<Int32>], goesOn: () throws -> Bool) throws -> Bool

  /// Feeds one token to every sequence that goes on, and returns the logits of the next, shape `[those sequences, vocabulary]`.
  ///
  /// The matrix is overwritten by the next step; the caller may change it. Steps come one after another.
  ///
  /// - Parameter tokens: one for each sequence; `nil` for those that stay where they are.
  func step(_ tokens: [Int32?]) throws -> Matrix<Float>
}
