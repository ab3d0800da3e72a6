/// What a decoder layer computes, beside its weights and widths. The family makes it from the configuration of a checkpoint.
///
/// Every field is implemented by the block in all its uses: forward, generation with a cache, backward. What a checkpoint asks
/// for and no field says is refused when it is read.
public struct BlockDescription: Sendable, Equatable {
  /// The parts of a layer that has attention and MLP. With `queryNorm` and `keyNorm` among them, every head of the queries and
  /// keys goes through a norm before it is turned, one gain for each of its dimensions.
  public var parts: Set<LayerPart>
  /// The projections with a bias.
  public var biases: Set<LayerPart>
  /// What is added to the mean square in every norm, the final one too.
  public var normEpsilon: Float
  public var rotary: RotaryConfiguration
  /// A sliding window in tokens: position `i` sees `i - window + 1 … i`. `nil` sees everything before it.
  public var window: Int?

  /// The parts of Llama's layers.
  public static let standardParts = Set(LayerPart.allCases).subtracting([.queryNorm, .keyNorm])

  public init(
    normEpsilon: Float, rotary: RotaryConfiguration, window: Int? = nil, biases: Set<LayerPart> = [],
    parts: Set<LayerPart> = standardParts
  ) {
    self.normEpsilon = normEpsilon
    self.rotary = rotary
    self.window = window
    self.biases = biases
    self.parts = parts
  }

  /// Whether the heads of queries and keys are normalised.
  var normalisesHeads: Bool { parts.contains(.queryNorm) }
}

/// What formats say of a network as a whole.
extension ModelConfiguration {
  public var normEpsilon: Float {
    get { block.normEpsilon }
    set { block.normEpsilon = newValue }
  }
  public var rotary: RotaryConfiguration {
    get { block.rotary }
    set { block.rotary = newValue }
  }
  public var slidingWindow: Int? {
    get { block.window }
    set { block.window = newValue }
  }
  /// Biases on the query, key and value projections.
  public var queryKeyValueBias: Bool {
    get { hasBias(.query) }
    set { setBiases([.query, .key, .value], newValue) }
  }
  /// A bias on the attention's output projection (Llama with `attention_bias`).
  public var outputBias: Bool {
    get { hasBias(.output) }
    set { setBiases([.output], newValue) }
  }
  /// Biases on the three MLP projections (Llama with `mlp_bias`).
  public var mlpBias: Bool {
    get { hasBias(.gate) }
    set { setBiases([.gate, .up, .down], newValue) }
  }

  private mutating func setBiases(_ parts: Set<LayerPart>, _ present: Bool) {
    block.biases = present ? block.biases.union(parts) : block.biases.subtracting(parts)
  }
}
