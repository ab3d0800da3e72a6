import LanguageModels

/// A convex mixture of scores, each replaced by its rank within the layer, from 0 for the least to 1 for the most
/// important unit.
///
/// AdaPruner (arXiv 2503.06184) combines coarse and fine Taylor scores. Its exact form is not public; ranks are the
/// scale-free way to add scores of different units.
public struct RankMixture: Importance {
  private let parts: [(score: any Importance, weight: Float)]

  /// - Parameter parts: scores with weights that are not negative; those that need gradients need the same.
  public init(_ parts: [(score: any Importance, weight: Float)]) {
    self.parts = parts
    name = parts.map { "\($0.weight)*\($0.score.name)" }.joined(separator: "+")
  }

  /// Reads `0.7*obs+0.3*flap`; weights count relative to their sum.
  ///
  /// - Throws: `ImportanceError.invalidMixture`, `.unknownScore`.
  init(name: String) throws {
    self.name = name
    parts = try name.split(separator: "+", omittingEmptySubsequences: false).map { part in
      let pair = part.split(separator: "*", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard pair.count == 2, let weight = Float(pair[0]), weight > 0, weight.isFinite else {
        throw ImportanceError.invalidMixture(name: name, problem: "'\(part)' is not WEIGHT*SCORE with a weight above 0")
      }
      return (try ImportanceRegistry.named(pair[1]), weight)
    }
    if Set(parts.compactMap(\.score.gradients)).count > 1 {
      throw ImportanceError.invalidMixture(name: name, problem: "its scores need gradients of different functions")
    }
  }

  /// The given name, or one made of weights and names.
  public let name: String
  public let summary = "weighted ranks of several scores"
  public let source = "AdaPruner, arXiv 2503.06184"
  public var gradients: BackwardPass.Scalar? { parts.lazy.compactMap(\.score.gradients).first }

  public func scores(of layer: ScoredLayer) throws -> UnitScores {
    var sum = UnitScores(
      groups: Array(repeating: 0, count: layer.shape.kvHeads),
      channels: Array(repeating: 0, count: layer.shape.mlpChannels))
    for (score, weight) in parts where weight > 0 {
      let ranking = try score.finiteScores(of: layer).ranking
      Self.add(ranking.groups, weight, to: &sum.groups)
      Self.add(ranking.channels, weight, to: &sum.channels)
    }
    return sum
  }

  private static func add(_ order: [Int], _ weight: Float, to sum: inout [Float]) {
    let last = Float(max(1, order.count - 1))
    for (place, unit) in order.enumerated() { sum[unit] += weight * (1 - Float(place) / last) }
  }
}
