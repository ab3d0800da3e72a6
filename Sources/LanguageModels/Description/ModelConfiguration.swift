/// The shape of a decoder-only transformer with rotary, grouped-query attention and a gated MLP.
///
/// Every layer carries its own widths, so that a pruned model with a different width in each layer is described by the
/// same type as its parent.
public struct ModelConfiguration: Sendable, Equatable {
  public var family: Family
  public var hiddenSize: Int
  public var vocabularySize: Int
  public var headDimension: Int
  public var layers: [LayerShape]
  /// The kind of attention of each layer, as a place in `block.attention`; empty if there is one kind only.
  public var attentionKinds: [Int] = []
  /// The computation of every layer.
  public var block: BlockDescription
  /// The factor of the embedded tokens; the output head has none, also where it is the embedding.
  public var embeddingScale: Float = 1
  /// The number `c` of `c·tanh(logit/c)`; `nil` leaves logits as they are.
  public var logitCap: Float?
  public var tiedEmbeddings: Bool
  /// The factors that a reader still has to multiply into stored weights; a network in memory has none.
  var folded = WeightScales()
  /// Longest sequence the parent was made for, in tokens.
  public var contextLength: Int
  public var bosToken: Int32?
  public var eosTokens: [Int32] = []

  public init(
    family: Family, hiddenSize: Int, vocabularySize: Int, headDimension: Int, layers: [LayerShape],
    block: BlockDescription, tiedEmbeddings: Bool, contextLength: Int
  ) {
    self.family = family
    self.hiddenSize = hiddenSize
    self.vocabularySize = vocabularySize
    self.headDimension = headDimension
    self.layers = layers
    self.block = block
    self.tiedEmbeddings = tiedEmbeddings
    self.contextLength = contextLength
  }

  public var layerCount: Int { layers.count }

  public func attention(of layer: Int) -> AttentionKind { block.attention[attentionKind(of: layer)] }

  /// The place of a layer's kind of attention in `block.attention`.
  public func attentionKind(of layer: Int) -> Int { attentionKinds.isEmpty ? 0 : attentionKinds[layer] }

  /// Longest sequence that the model can be used on: some rope scalings stretch what it was made for.
  public var longestContext: Int {
    switch rotary.scaling {
    case .none, .linear, .llama3, .factors, .divided, .longrope: contextLength
    case .dynamic(let factor, let context):
      max(contextLength, Int(exactly: (factor * context).rounded()) ?? contextLength)
    case .yarn(let yarn):
      max(contextLength, Int(exactly: (yarn.factor * yarn.originalContext).rounded()) ?? contextLength)
    }
  }

  public var isUniform: Bool { layers.allSatisfy { $0 == layers[0] } }

  /// The same with other widths.
  public func with(layers: [LayerShape]) -> ModelConfiguration {
    var result = self
    result.layers = layers
    return result
  }
}

/// Widths of one decoder layer.
public struct LayerShape: Sendable, Equatable, Hashable {
  /// Query heads; a multiple of `kvHeads`. Zero means the layer has no attention.
  public var queryHeads: Int
  public var kvHeads: Int
  /// Channels of the gated MLP, or experts if it is a mixture of them. Zero means the layer has no MLP.
  public var mlpChannels: Int

  public init(queryHeads: Int, kvHeads: Int, mlpChannels: Int) {
    self.queryHeads = queryHeads
    self.kvHeads = kvHeads
    self.mlpChannels = mlpChannels
  }

  /// Query heads that share one KV head. Query heads `g·r … (g+1)·r − 1` belong to KV head `g`.
  public var queriesPerGroup: Int { kvHeads == 0 ? 0 : queryHeads / kvHeads }
}

extension ModelConfiguration {
  /// The most heads, KV heads and channels of any layer.
  var widest: LayerShape {
    LayerShape(
      queryHeads: layers.map(\.queryHeads).max() ?? 0, kvHeads: layers.map(\.kvHeads).max() ?? 0,
      mlpChannels: layers.map(\.mlpChannels).max() ?? 0)
  }

  /// Parameters of one KV group in a layer with `queriesPerGroup` queries a group: its rows of Q, K, V (weights, biases and
  /// gains of its own) and its columns of O.
  public func parametersPerKVGroup(queriesPerGroup r: Int) -> Int {
    parameters(of: LayerShape(queryHeads: r, kvHeads: 1, mlpChannels: 0)) - fixedParametersPerLayer
  }

  /// Parameters of one MLP channel: a row of gate, a row of up (weights and biases) and a column of down. Those of an
  /// expert are such of its channels and a row of the router.
  public var parametersPerMLPChannel: Int {
    parameters(of: LayerShape(queryHeads: 0, kvHeads: 0, mlpChannels: 1)) - fixedParametersPerLayer
  }

  /// Parameters of a layer beside its groups and channels: the gains of norms and the biases of the output projections.
  public var fixedParametersPerLayer: Int { parameters(of: LayerShape(queryHeads: 0, kvHeads: 0, mlpChannels: 0)) }

  /// Parameters of a layer. Norms and biases count where a layer has lost its attention or its MLP, too.
  public func parameters(of layer: LayerShape) -> Int {
    block.parts.reduce(0) { sum, part in
      let dimensions = part.dimensions(in: self, layer)
      return sum + dimensions.reduce(1, *) + (hasBias(part) ? dimensions[0] : 0)
    }
  }

  /// Parameters of all decoder layers, norms included. This is what `--keep` is a share of.
  public var blockParameters: Int { layers.reduce(0) { $0 + parameters(of: $1) } }

  /// Embedding, output head (when not tied) and final norm.
  public var outerParameters: Int { vocabularySize * hiddenSize * (tiedEmbeddings ? 1 : 2) + hiddenSize }

  public var totalParameters: Int { blockParameters + outerParameters }
}

/// Factors of stored weights that give the weights of the network.
struct WeightScales: Sendable, Equatable {
  var parts: [LayerPart: Float] = [:]
  /// That of the embedded tokens, and of the head if it is the embedding.
  var embedding: Float = 1
  var finalNorm: Float = 1
}
