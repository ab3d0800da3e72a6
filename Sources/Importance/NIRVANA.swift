import LanguageModels

/// Saliency of the output (NIRVANA, arXiv 2509.14230): `Σ |W·∂f/∂W|` over the weights of a unit.
///
/// `f` is the scalar of the released code, `BackwardPass.Scalar.maximumLogit`. The paper relates it to the neural
/// tangent kernel under Adam: the pruned saliency bounds the kernel's change. A group takes the rows of its key, value
/// and query heads and the columns of its outputs, a channel its rows of gate and up and its column of down.
public struct NIRVANA: Importance {
  public init() {}

  public let name = "nirvana"
  public let summary = "Σ |W·g| of the output's gradient, no labels"
  public let source = "NIRVANA, arXiv 2509.14230"
  public let gradients: BackwardPass.Scalar? = .maximumLogit

  public func scores(of layer: ScoredLayer) throws -> UnitScores {
    guard let saliencies = layer.saliencies else { throw ImportanceError.noGradients(score: name) }
    return layer.coupled { saliencies[$0].first }
  }
}
