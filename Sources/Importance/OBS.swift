import LinearAlgebra

/// The saliency of optimal brain surgery, summed over structures (search-llm, arXiv 2409.17372, section 3.2).
///
///     Φ[i,j] = W[i,j]² / [(E[x xᵀ] + λI)⁻¹]_jj
///
/// with `x` the projection's own input: the error of the removal of one weight after all others are adjusted. Rows of
/// Q, K and V and columns of O are summed for a group, rows of gate and up and the column of down for a channel. The
/// paper's factor 2·tokens is the same for all and left out. Its damping is not stated; here λ is a hundredth of the
/// mean diagonal.
public struct OBS: Importance {
  private let damping = 0.01

  public init() {}

  public let name = "obs"
  public let summary = "W² over the diagonal of the inverse Gram, rows and columns of a unit"
  public let source = "search-llm, arXiv 2409.17372, section 3.2"

  public func scores(of layer: ScoredLayer) throws -> UnitScores {
    let statistics = layer.statistics
    let attention = try stiffness(statistics.attentionInputGram, layer)
    let mlp = try stiffness(statistics.mlpInputGram, layer)
    return try layer.coupled { part in
      if !part.writesToStream {
        return rowEnergies(of: layer.weights[part].weight, scaledBy: part.module == .attention ? attention : mlp)
      }
      let grams = part.module == .attention ? [statistics.contextGram] : layer.hiddenBlocks().map(\.gram)
      let stiffnesses = try grams.flatMap { try stiffness($0, layer) }
      return zip(columnEnergies(of: layer.weightToStream(part.module)), stiffnesses).map { $0 * $1 }
    }
  }

  /// `1 / [G⁻¹]_jj`.
  private func stiffness(_ gram: Matrix<Float>, _ layer: ScoredLayer) throws -> [Float] {
    if gram.rows == 0 { return [] }
    guard let factor = try? CholeskyFactor(factorising: gram.damped(damping)) else {
      throw ImportanceError.notFinite(score: name, layer: layer.index)
    }
    return factor.inverseDiagonal().map { Float(1 / $0) }
  }
}
