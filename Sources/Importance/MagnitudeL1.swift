import LinearAlgebra

/// The sum of the absolute weights that are removed with a unit.
///
/// A group: its rows of Q, K and V and its columns of O. A channel: its rows of gate and up and its column of down.
/// Known to be a bad choice for language models (LLM-Pruner, arXiv 2305.11627, table 1): never a default.
public struct MagnitudeL1: Importance {
  public init() {}

  public let name = "magnitude-l1"
  public let summary = "sum of absolute weights of a unit (baseline)"
  public let source = "LLM-Pruner, arXiv 2305.11627, L1 baseline"

  public func scores(of layer: ScoredLayer) -> UnitScores {
    let weights = layer.weights
    return layer.coupled(
      query: rows(weights.query.weight), key: rows(weights.key.weight), value: rows(weights.value.weight),
      output: columnMagnitudes(of: weights.output.weight), gate: rows(weights.gate.weight),
      up: rows(weights.up.weight), down: columnMagnitudes(of: weights.down.weight))
  }

  private func rows(_ weight: Matrix<Float>) -> [Float] {
    (0..<weight.rows).map { i in
      let row = weight.row(i)
      return (0..<weight.columns).reduce(0) { $0 + abs(row[$1]) }
    }
  }
}
