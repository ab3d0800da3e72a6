import LinearAlgebra

/// Wanda summed over structures.
///
/// Wanda (arXiv 2306.11695, eq. 1) scores a weight by `|W[i,j]|·‖x_j‖₂`. Its structured form, Wanda-SP (arXiv
/// 2312.11983, section 4), sums that over the outputs `i` of the projections whose *input* is pruned: column `j` of
/// `down_proj` for an MLP channel, the columns of `o_proj` that belong to a KV group for a group.
public struct WandaSP: Importance {
  public init() {}

  public let name = "wanda-sp"
  public let summary = "|W|·‖x‖ summed over the columns of o_proj and down_proj"
  public let source = "Wanda, arXiv 2306.11695, eq. 1; structured form of arXiv 2312.11983"

  public func scores(of layer: ScoredLayer) -> UnitScores {
    let contexts = Self.columns(layer.weightToStream(.attention), layer.statistics.contextSecondMoment)
    let channels = Self.columns(layer.weightToStream(.mlp), layer.statistics.hiddenSecondMoment)
    return UnitScores(groups: layer.foldColumns(contexts), channels: channels)
  }

  private static func columns(_ weight: Matrix<Float>, _ secondMoment: [Float]) -> [Float] {
    zip(columnMagnitudes(of: weight), secondMoment).map { $0 * $1.squareRoot() }
  }
}
