import LanguageModels
import LinearAlgebra

/// A way in which some weights of one layer may move together. A step of 1 moves each of them by its own length.
struct Direction {
  let layer: Int
  /// The move of each part at a step of 1, in the shape of its weight.
  let moves: [(part: LayerPart, move: Matrix<Float>)]

  /// The parts grow or shrink: their gain.
  init(gainOf parts: [LayerPart], in weights: LayerWeights, layer: Int) {
    self.layer = layer
    moves = parts.map { ($0, weights[$0].weight) }
  }

  /// - Parameter moves: scaled so that each is as long as the part's weight; those of length zero are left out.
  init(scaling moves: [(part: LayerPart, move: Matrix<Float>)], to weights: LayerWeights, layer: Int) {
    self.layer = layer
    self.moves = moves.compactMap { part, move in
      let (length, wanted) = (move.norm, weights[part].weight.norm)
      guard length > 0, wanted > 0, (wanted / length).isFinite else { return nil }
      let scaled = move.copy()
      Kernels.scale(scaled.pointer, by: wanted / length, count: scaled.count)
      return (part, scaled)
    }
  }

  /// The weights after a step.
  func moved(_ weights: LayerWeights, by step: Float) -> LayerWeights {
    var result = weights
    for (part, move) in moves {
      let weight = result[part].weight.copy()
      for i in 0..<weight.rows { Kernels.addScaled(move.row(i), step, to: weight.row(i), count: weight.columns) }
      result[part].weight = weight
    }
    return result
  }
}

extension Matrix where Scalar == Float {
  /// The Frobenius norm.
  fileprivate var norm: Float {
    (0..<rows).reduce(0) { $0 + Kernels.dot(row($1), row($1), count: columns) }.squareRoot()
  }
}
