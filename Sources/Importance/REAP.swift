/// The score of an expert by what it adds (REAP, arXiv 2510.13999): the mean length of its output times its
/// weight, over the tokens that use it.
///
///     S_e = E[ g_e·‖f_e(x)‖ | x uses e ]
///
/// KV groups and the channels of dense MLPs are no experts, and are scored as `wanda-sp` scores them.
public struct REAP: Importance {
  public let name = "reap"
  public let summary = "mean weight times length of an expert's output, over the tokens that use it"
  public let source = "REAP, arXiv 2510.13999"

  public init() {}

  public func scores(of layer: ScoredLayer) -> UnitScores {
    var scores = WandaSP().scores(of: layer)
    guard layer.weights.hasExperts else { return scores }
    let statistics = layer.statistics
    scores.channels = zip(statistics.expertLengths, statistics.expertUse).map { $1 > 0 ? $0 / $1 : 0 }
    return scores
  }
}
