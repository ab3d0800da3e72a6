import LanguageModels
import LinearAlgebra

/// Experts that keep some of their channels, equally many in all experts of a model (our own).
///
/// Within each expert, channels are removed one after another: each time the one that adds least to the squared error
/// of what the expert adds to the stream, after all others are adjusted. This is the elimination of `LossOBS` with
/// `S = I`.
public enum ExpertChannels {
  /// For every expert its channels, by their places in the expert, from the first to the last kept.
  ///
  /// - Throws: `ImportanceError.notFinite`, and `.expertBiases`: no correction of fewer channels knows of biases.
  public static func order(_ layer: ScoredLayer) throws -> [[Int]] {
    if layer.weights.activationsPerUnit > layer.weights.channelsPerUnit { throw ImportanceError.expertBiases }
    let whole = layer.weightToStream(.mlp)
    return try layer.hiddenBlocks().map { block in
      try Elimination.removals(
        weight: whole.columns(block.channels), gram: block.gram, moments: nil, width: 1,
        atOnce: max(1, block.gram.rows / 64), score: "expert channels", layer: layer.index
      ).reversed()
    }
  }
}

extension ScoredLayer {
  /// The layer with experts of fewer channels, and what is known of it.
  ///
  /// - Parameters:
  ///   - channels: the channels that stay in each expert, by their places there.
  ///   - down: down projection of the narrower experts, shape `[hidden, experts·channels]`.
  public func narrowed(to channels: [[Int]], down: Matrix<Float>) -> ScoredLayer {
    let width = weights.channelsPerUnit
    let kept = channels.enumerated().flatMap { expert, own in own.map { expert * width + $0 } }
    var result = self
    result.weights = weights.mapProjections { part, linear in
      switch part {
      case .gate, .up: Linear(weight: linear.weight.gatherRows(kept))
      case .down: Linear(weight: down)
      default: linear
      }
    }
    let gram = Matrix<Float>(rows: kept.count, columns: channels.first?.count ?? 0)
    for (row, source) in kept.enumerated() {
      for (column, other) in channels[source / width].enumerated() {
        gram[row, column] = statistics.hiddenGram[source, other]
      }
    }
    result.statistics.hiddenGram = gram
    result.statistics.hiddenMagnitude = kept.map { statistics.hiddenMagnitude[$0] }
    result.statistics.hiddenMean = kept.map { statistics.hiddenMean[$0] }
    return result
  }
}
