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
  case output
  /// A norm of what the attention adds to the residual stream.
  case attentionPostNorm
  case mlpNorm, gate, up, down
  /// A norm of what the MLP adds.
  case mlpPostNorm
  /// What scores the experts of the MLP.
  case router

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
    /// The dimensions of one head, which no pruning changes.
    case head
    case queryHeads, kvHeads, channels
    case experts

    /// How many there are in a layer.
    public func count(in configuration: ModelConfiguration, _ shape: LayerShape) -> Int {
      switch self {
      case .hidden: configuration.hiddenSize
      case .head: configuration.headDimension
      case .queryHeads: shape.queryHeads * configuration.headDimension
      case .kvHeads: shape.kvHeads * configuration.headDimension
      case .channels: configuration.activations(of: shape)
      case .experts: configuration.block.experts == nil ? 0 : shape.mlpChannels
      }
    }
  }

  /// A norm has outputs and no inputs.
  private var form: (module: Module, outputs: Axis, inputs: Axis?) {
    switch self {
    case .attentionNorm: (.attention, .hidden, nil)
    case .query: (.attention, .queryHeads, .hidden)
    case .key, .value: (.attention, .kvHeads, .hidden)
    case .queryNorm, .keyNorm: (.attention, .head, nil)
    case .allQueriesNorm: (.attention, .queryHeads, nil)
    case .allKeysNorm: (.attention, .kvHeads, nil)
    case .output: (.attention, .hidden, .queryHeads)
    case .attentionPostNorm: (.attention, .hidden, nil)
    case .mlpNorm, .mlpPostNorm: (.mlp, .hidden, nil)
    case .gate, .up: (.mlp, .channels, .hidden)
    case .down: (.mlp, .hidden, .channels)
    case .router: (.mlp, .experts, .hidden)
    }
  }

  public var module: Module { form.module }
  public var outputs: Axis { form.outputs }
  /// `nil` for the gains of a norm.
  public var inputs: Axis? { form.inputs }

  /// Whether the part is a matrix; the others are gains of norms.
  public var isLinear: Bool { inputs != nil }

  /// Whether every expert of a mixture has such a part.
  public var isOfExperts: Bool { module == .mlp && isLinear && self != .router }

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
  /// The parts that are gains of norms.
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
