import LanguageModels
import LinearAlgebra

/// The local pruning of Týr-the-Pruner (arXiv 2503.09657, section 2.2): units removed one after another by a first-
/// and a second-order term of the output's error, the weights of the others adjusted after each time.
///
/// With `H = E[x xᵀ] + λI` of the inputs of `o_proj` or `down_proj` and `G = H·Wᵀ`, removing unit `b` costs
///
///     | Σ W_b ∘ G_b |  +  ½·tr( W_b ([H⁻¹]_bb)⁻¹ W_bᵀ )
///
/// with `W` as it is by then and `G` as it was at first (equation 4; the authors' code leaves out the absolute value).
/// An MLP loses 16 channels at a time and attention one unit; `λ` is a hundredth of the mean diagonal. The scores are
/// ranks as shares of 1; the unit that is removed last has the highest. A Gram matrix of no size leaves its module
/// without scores.
public struct LocalPruning: Importance {
  private let atOnce = 16

  public let name = "local-pruning"
  public let summary = "units in the order of first- and second-order errors of the output, the others adjusted"
  public let source = "Týr-the-Pruner, arXiv 2503.09657"
  public var ranksExperts: Bool { false }

  public init() {}

  public func scores(of layer: ScoredLayer) throws -> UnitScores {
    let groups = try Elimination.removals(
      weight: layer.weights.output.weight, gram: layer.statistics.contextGram, moments: nil,
      width: layer.shape.queriesPerGroup * layer.headDimension, atOnce: 1, withSlopes: true, score: name,
      layer: layer.index)
    let channels = try Elimination.removals(
      weight: layer.weights.down.weight, gram: layer.statistics.hiddenGram, moments: nil, width: 1, atOnce: atOnce,
      withSlopes: true, score: name, layer: layer.index)
    return UnitScores(keepingGroups: groups.reversed(), channels: channels.reversed())
  }
}
