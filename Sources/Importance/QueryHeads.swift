/// The order in which the query heads of a KV group are removed if every group keeps equally many.
///
/// Heads are removed one after another from the whole layer: each time the head that adds least to the squared error of
/// the output projection after all others are adjusted. This is the elimination of `LossOBS` with `S = I`, which needs
/// no gradients.
public enum QueryHeads {
  /// For every group its heads, by their places in the group, from the first to the last kept.
  ///
  /// - Throws: `ImportanceError.notFinite`.
  public static func order(_ layer: ScoredLayer) throws -> [[Int]] {
    let queries = layer.shape.queriesPerGroup
    let removed = try Elimination.removals(
      weight: layer.weightToStream(.attention), gram: layer.statistics.contextGram, moments: nil,
      width: layer.headDimension, atOnce: 1, score: "query heads", layer: layer.index)
    return (0..<layer.shape.kvHeads).map { group in
      removed.reversed().filter { $0 / queries == group }.map { $0 % queries }
    }
  }
}
