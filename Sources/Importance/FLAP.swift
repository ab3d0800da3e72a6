/// Fluctuation-based importance (FLAP, arXiv 2312.11983, eq. 5 and 6).
///
/// A constant bias can replace the mean of a removed input, but not its fluctuation. So column `j` of `o_proj` or
/// `down_proj` scores
///
///     S[j] = Var(x_j)·‖W[:,j]‖²
///
/// over tokens, standardised within its module, `(S − mean S) / std S`, so that the modules of all layers can be ranked
/// together. A group's score is the mean over its columns. The variance here is over all tokens; the released code
/// takes the variance of a running mean over samples.
public struct FLAP: Importance {
  public init() {}

  public let name = "flap"
  public let summary = "fluctuation of the inputs of o_proj and down_proj, standardised by module"
  public let source = "FLAP, arXiv 2312.11983, eq. 5 and 6"

  public func scores(of layer: ScoredLayer) -> UnitScores {
    let statistics = layer.statistics
    let contexts = Self.standardised(
      zip(columnEnergies(of: layer.weightToStream(.attention)), statistics.contextVariance).map { $0 * $1 })
    let channels = Self.standardised(
      zip(columnEnergies(of: layer.weightToStream(.mlp)), statistics.hiddenVariance).map { $0 * $1 })
    let width = Float(layer.shape.queriesPerGroup * layer.headDimension)
    return UnitScores(groups: layer.foldColumns(contexts).map { $0 / width }, channels: channels)
  }

  private static func standardised(_ values: [Float]) -> [Float] {
    let count = Double(max(1, values.count))
    let mean = values.reduce(0.0) { $0 + Double($1) } / count
    let variance = values.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / count
    // Equal values have no order.
    let deviation = variance > 0 ? variance.squareRoot() : 1
    return values.map { Float((Double($0) - mean) / deviation) }
  }
}
