/// The parts of a decoder layer that are stored as tensors, in the order in which files hold them.
///
/// This is the one place that tells parts apart: weights, gradients, saliencies, packed weights, stores and exports are
/// tables over it, and loop over what it says of a part. A new part is one case, its line in `form`, and its name in
/// `TensorNames`.
public enum LayerPart: Int, CaseIterable, Sendable {
  case attentionNorm, query, key, value
  /// Norms of every head of the queries or keys before it is turned. The heads share the gains, one for each dimension.
  case queryNorm, keyNorm
  /// Norms of all heads together, with a gain for each dimension of each head.
  case allQueriesNorm, allKeysNorm
  /// A score of each query head beside those of the positions that it sees, without a value.
  case sinks
  case output
  /// A norm of what the attention adds to the residual stream.
  case attentionPostNorm
  case mlpNorm, gate, up, down
  /// A norm of what the MLP adds.
  case mlpPostNorm
  /// What scores the experts of the MLP.
  case router
  /// What each expert of the MLP adds to its output, shape `[experts, hidden]`: a matrix of its own, because a bias of `down`
  /// would be one for all experts, and its rows belong to them as the router's do.
  case expertBias

  /// A half of a layer.
  public enum Module: String, CaseIterable, Sendable {
    case attention, mlp

    /// Units of a layer of this shape.
    public func width(of shape: LayerShape) -> Int { self == .attention ? shape.kvHeads : shape.mlpChannels }

    /// The norm of what the module reads.
    public var norm: LayerPart { self == .attention ? .attentionNorm : .mlpNorm }

    /// The norm of what it adds to the residual stream.
    public var postNorm: LayerPart { self == .attention ? .attentionPostNorm : .mlpPostNorm }

    /// The projection that adds to the residual stream.
    public var output: LayerPart { self == .attention ? .output : .down }

    /// The projections that read the residual stream.
    public var inputProjections: [LayerPart] { self == .attention ? [.query, .key, .value] : [.gate, .up, .router] }
  }

  /// The units that the outputs or inputs of a part belong to.
  public enum Axis: Sendable {
    case hidden
    /// The dimensions of one head.
    case head
    case queryHeads, kvHeads, channels
    /// One for each query head.
    case queries
    case experts

    /// How many there are in a layer.
    public func count(in configuration: ModelConfiguration, _ shape: LayerShape) -> Int {
      switch self {
      case .hidden: configuration.hiddenSize
      case .head: configuration.headDimension
      case .queryHeads: shape.queryHeads * configuration.headDimension
      case .kvHeads: shape.kvHeads * configuration.headDimension
      case .queries: shape.queryHeads
      case .channels: shape.mlpChannels * configuration.channelsPerUnit
      case .experts: configuration.block.experts == nil ? 0 : shape.mlpChannels
      }
    }
  }

  /// A vector has outputs and no inputs.
  private var form: (module: Module, outputs: Axis, inputs: Axis?) {
    switch self {
    case .attentionNorm: (.attention, .hidden, nil)
    case .query: (.attention, .queryHeads, .hidden)
    case .key, .value: (.attention, .kvHeads, .hidden)
    case .queryNorm, .keyNorm: (.attention, .head, nil)
    case .allQueriesNorm: (.attention, .queryHeads, nil)
    case .allKeysNorm: (.attention, .kvHeads, nil)
    case .sinks: (.attention, .queries, nil)
    case .output: (.attention, .hidden, .queryHeads)
    case .attentionPostNorm: (.attention, .hidden, nil)
    case .mlpNorm, .mlpPostNorm: (.mlp, .hidden, nil)
    case .gate, .up: (.mlp, .channels, .hidden)
    case .down: (.mlp, .hidden, .channels)
    case .router, .expertBias: (.mlp, .experts, .hidden)
    }
  }

  public var module: Module { form.module }
  public var outputs: Axis { form.outputs }
  /// `nil` for the gains of a norm and other vectors.
  public var inputs: Axis? { form.inputs }

  /// Whether the part is a matrix; the others are vectors: gains of norms, and sinks.
  public var isLinear: Bool { inputs != nil }

  /// Whether the part is stored like a vector: it is one, or a bias for each expert.
  public var isStoredAsVector: Bool { !isLinear || self == .expertBias }

  /// Whether the part is a projection that every expert of a mixture has.
  public var isOfExperts: Bool { [.gate, .up, .down].contains(self) }

  /// Whether the part is a projection that adds to the residual stream: its inputs are what is pruned, not its outputs.
  public var writesToStream: Bool { isLinear && outputs == .hidden }

  /// The side of a projection that is pruned.
  public var unit: Axis { writesToStream ? inputs ?? outputs : outputs }

  /// Whether the outputs are dimensions of heads that the rotary embedding turns, so that their order is a matter of the
  /// file.
  public var isRotated: Bool {
    switch self {
    case .query, .key, .queryNorm, .keyNorm, .allQueriesNorm, .allKeysNorm: true
    default: false
    }
  }

  /// The parts that are matrices.
  public static let projections = allCases.filter(\.isLinear)
  /// The parts that are vectors.
  public static let norms = allCases.filter { !$0.isLinear }

  /// Shape of the part's weight.
  public func dimensions(in configuration: ModelConfiguration, _ shape: LayerShape) -> [Int] {
    [outputs.count(in: configuration, shape)] + (inputs.map { [$0.count(in: configuration, shape)] } ?? [])
  }
}

extension ModelConfiguration {
  /// The parts that a layer of this shape has, in the order of `LayerPart`.
  public func parts(of shape: LayerShape) -> [LayerPart] {
    LayerPart.allCases.filter { block.parts.contains($0) && $0.module.width(of: shape) > 0 }
  }

  /// Whether a part carries a bias.
  public func hasBias(_ part: LayerPart) -> Bool { block.biases.contains(part) }
}
