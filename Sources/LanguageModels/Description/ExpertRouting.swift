/// How the MLP of a layer chooses among experts.
///
/// A mixture of experts (Shazeer et al., arXiv 1701.06538) is a gated MLP of `E·c` channels, of which a token uses some:
/// those of its experts, `c` neighbouring channels each. A router scores the experts, `l = R·x`, the token takes the
/// `perToken` with the highest scores, and each channel's activation is multiplied by the weight of its expert:
///
///     y = Σ_e g_e · D_e·(act(G_e·x) ⊙ U_e·x)
///
/// So gate, up and down are here one matrix each, the experts one after another in their rows or columns. What is pruned
/// are whole experts: `LayerShape.mlpChannels` is their number. An expert may have biases; that of its down projection is a
/// row of `LayerPart.expertBias`, and counts by the expert's weight: `y = Σ_e g_e·(D_e·… + b_e)`.
public struct ExpertRouting: Sendable, Equatable {
  /// The channels `c` of one expert.
  public var channels: Int
  /// Experts that a token uses; all of a layer that has fewer.
  public var perToken: Int
  /// Whether the weights of a token's experts sum to one: `g = softmax` over the scores of the chosen experts, else over
  /// those of all.
  public var renormalises: Bool

  public init(channels: Int, perToken: Int, renormalises: Bool) {
    self.channels = channels
    self.perToken = perToken
    self.renormalises = renormalises
  }

  /// The channels of an expert.
  public func range(of expert: Int) -> Range<Int> { expert * channels..<(expert + 1) * channels }
}

extension ModelConfiguration {
  /// The channels of one unit of an MLP (`LayerShape.mlpChannels`): those of an expert, else one.
  public var channelsPerUnit: Int { block.experts?.channels ?? 1 }

  /// The experts as a file has to tell them: a token cannot use more than the layer with most of them has.
  public var storedExperts: ExpertRouting? {
    var stored = block.experts
    if let experts = stored {
      stored?.perToken = min(experts.perToken, max(1, layers.map(\.mlpChannels).max() ?? experts.perToken))
    }
    return stored
  }

  /// The same with experts of fewer channels; `nil` changes nothing.
  public func with(expertChannels: Int?) -> ModelConfiguration {
    var result = self
    if let expertChannels { result.block.experts?.channels = expertChannels }
    return result
  }

  /// The word for the units of an MLP.
  public var mlpUnits: String { block.experts == nil ? "MLP channels" : "experts" }

  /// The activations of one unit that reach the stream: those of its channels, and, of an expert with a bias, its weight for
  /// the token, which the bias is multiplied by.
  public var activationsPerUnit: Int { channelsPerUnit + (block.parts.contains(.expertBias) ? 1 : 0) }

  /// The activations of a layer's MLP that reach the stream.
  public func activations(of shape: LayerShape) -> Int { shape.mlpChannels * activationsPerUnit }
}
