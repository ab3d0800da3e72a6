/// The computation of a decoder layer, beside its weights and widths. The family makes it from a configuration.
///
/// The block implements every field in all its uses: forward, generation with a cache, backward. A checkpoint that asks
/// for something that no field says is refused.
public struct BlockDescription: Sendable, Equatable {
  /// The parts of a layer that has attention and MLP; `LayerPart` says what each norm does.
  public var parts: Set<LayerPart>
  /// The projections with a bias.
  public var biases: Set<LayerPart>
  /// The number that every norm adds to the mean square, the final one too.
  public var normEpsilon: Float
  public var activation = Activation.silu
  /// The factor of attention's scores; `nil` for `1/√D`, `D` the head dimension.
  public var scoreScale: Float?
  /// The number `c` of `c·tanh(score/c)`; `nil` leaves scores as they are.
  public var scoreCap: Float?
  /// The kinds of attention that layers have, at least one; `ModelConfiguration.attentionKinds` says which has which.
  public var attention: [AttentionKind]
  /// How the MLP chooses among experts; `nil` if it has none.
  public var experts: ExpertRouting?

  /// The parts of Llama's layers.
  public static let standardParts: Set<LayerPart> = [
    .attentionNorm, .query, .key, .value, .output, .mlpNorm, .gate, .up, .down,
  ]

  public init(
    normEpsilon: Float, rotary: RotaryConfiguration, window: Int? = nil, biases: Set<LayerPart> = [],
    parts: Set<LayerPart> = standardParts
  ) {
    self.normEpsilon = normEpsilon
    self.biases = biases
    self.parts = parts
    attention = [AttentionKind(rotary: rotary, window: window)]
  }

  /// Whether queries and keys are normalised, head by head or all heads together.
  var normalisesQueries: Bool { parts.contains(.queryNorm) || parts.contains(.allQueriesNorm) }
}

/// What tells the attention of some layers from that of others.
public struct AttentionKind: Sendable, Equatable {
  public var rotary: RotaryConfiguration
  /// Whether queries and keys are turned at all.
  public var isTurned = true
  /// A sliding window in tokens: position `i` sees `i - window + 1 … i`. `nil` sees everything before it.
  public var window: Int?

  public init(rotary: RotaryConfiguration, isTurned: Bool = true, window: Int? = nil) {
    self.rotary = rotary
    self.isTurned = isTurned
    self.window = window
  }

  /// The first position that a position sees.
  public func firstSeen(from position: Int) -> Int { window.map { max(0, position - $0 + 1) } ?? 0 }
}

/// The function between the gate and the product with `up`.
public enum Activation: Sendable, Equatable {
  /// `x/(1 + exp(−x))`
  case silu
  /// GELU (arXiv 1606.08415) in its approximation by tanh.
  case gelu
  /// `x·σ(αx)` of a gate that is cut off above `limit`, and one more than the factor `up`, cut off at both sides:
  ///
  ///     g·σ(αg)·(u + 1),    g = min(gate, limit), u = min(max(up, −limit), limit)
  case clamped(limit: Float, alpha: Float)
}

/// The fields that formats say of a network as a whole. Where layers have several kinds of attention, those of the first.
extension ModelConfiguration {
  public var normEpsilon: Float {
    get { block.normEpsilon }
    set { block.normEpsilon = newValue }
  }
  public var rotary: RotaryConfiguration {
    get { block.attention[0].rotary }
    set { block.attention[0].rotary = newValue }
  }
  public var slidingWindow: Int? {
    get { block.attention[0].window }
    set { block.attention[0].window = newValue }
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
