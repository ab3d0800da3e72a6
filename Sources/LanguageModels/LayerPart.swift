/// The parts of a decoder layer that are stored as tensors.
public enum LayerPart: String, CaseIterable, Sendable {
  case attentionNorm, query, key, value, output, mlpNorm, gate, up, down

  /// Whether the part is a matrix; the others are gains of norms.
  var isLinear: Bool { self != .attentionNorm && self != .mlpNorm }

  /// Whether layers of this shape have the part.
  public func isPresent(in shape: LayerShape) -> Bool {
    switch self {
    case .attentionNorm, .query, .key, .value, .output: shape.kvHeads > 0
    case .mlpNorm, .gate, .up, .down: shape.mlpChannels > 0
    }
  }

  /// Whether the part carries a bias.
  public func hasBias(in configuration: ModelConfiguration) -> Bool {
    switch self {
    case .attentionNorm, .mlpNorm: false
    case .query, .key, .value: configuration.queryKeyValueBias
    case .output: configuration.outputBias
    case .gate, .up, .down: configuration.mlpBias
    }
  }

  /// Shape of the part's weight.
  public func dimensions(in configuration: ModelConfiguration, _ shape: LayerShape) -> [Int] {
    let hidden = configuration.hiddenSize
    let queries = shape.queryHeads * configuration.headDimension
    let keys = shape.kvHeads * configuration.headDimension
    return switch self {
    case .attentionNorm, .mlpNorm: [hidden]
    case .query: [queries, hidden]
    case .key, .value: [keys, hidden]
    case .output: [hidden, queries]
    case .gate, .up: [shape.mlpChannels, hidden]
    case .down: [hidden, shape.mlpChannels]
    }
  }
}

extension LayerWeights {
  /// The linear map that is this part; nil for a norm.
  public func linear(_ part: LayerPart) -> Linear? {
    switch part {
    case .attentionNorm, .mlpNorm: nil
    case .query: query
    case .key: key
    case .value: value
    case .output: output
    case .gate: gate
    case .up: up
    case .down: down
    }
  }
}
