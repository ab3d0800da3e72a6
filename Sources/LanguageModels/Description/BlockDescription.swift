/// The computation of a decoder layer, beside its weights and widths. The family makes it from a configuration.
///
/// The block implements every field in all its uses: forward, generation with a cache, backward. A checkpoint that asks
/// for something that no field says is refused.
public struct BlockDescription: Sendable, Equatable {
  /// The parts of a layer that has attention and MLP. If `queryNorm` and `keyNorm` are among them, every head of the
  /// queries and keys goes through a norm before it is turned. The heads share the gains, one for each dimension.
  public var parts: Set<LayerPart>
  /// The projections with a bias.
  public var biases: Set<LayerPart>
  /// The number that every norm adds to the mean square, the final one too.
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

/// The fields that formats say of a network as a whole.
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
