/// Heads of fewer dimensions: fewer rotary pairs of queries and keys, and as many dimensions of values.
///
/// Only whole pairs can go, because the rotation mixes the two dimensions of a pair and no others. Loaders know one head
/// dimension and one set of frequencies for a whole model, so all heads of all layers keep the same pairs.
extension ModelConfiguration {
  /// Why the heads of this model cannot be made narrower, as what follows its name; `nil` if they can.
  public var narrowHeadsObjection: String? {
    let kinds = block.attention
    if kinds.contains(where: { !$0.isTurned }) { return "leaves the queries and keys of some layers unturned" }
    if kinds.contains(where: { $0.rotary.turnedDimensions.map { $0 < headDimension } ?? false }) {
      return "turns a part of each head only"
    }
    if kinds.contains(where: { $0.rotary != rotary }) { return "turns the heads of some layers otherwise than others" }
    if case .dynamic = rotary.scaling { return "turns long sequences by another theta, so no frequency is a fixed one" }
    if block.normalisesQueries {
      return "normalises queries and keys, and of fewer dimensions the norm is another"
    }
    if block.parts.contains(.sinks) { return "gives attention scores that belong to no position (sinks)" }
    if block.scoreCap != nil { return "caps the scores of attention" }
    if block.parts.contains(.attentionPostNorm) {
      return "normalises what attention adds to the stream, for which no correction of values is made here"
    }
    return layers.allSatisfy { $0.kvHeads == 0 } ? "has no attention" : nil
  }

  /// The configuration with some pairs of every head.
  ///
  /// - Parameter pairs: those that stay, ascending, of a model that `narrowHeadsObjection` has nothing against.
  public func keepingPairs(_ pairs: [Int]) -> ModelConfiguration {
    var result = self
    result.headDimension = 2 * pairs.count
    for kind in block.attention.indices {
      result.block.attention[kind].rotary = block.attention[kind].rotary.keeping(pairs: pairs, of: headDimension)
      result.block.attention[kind].rotary.turnedDimensions = nil
    }
    return result
  }
}
