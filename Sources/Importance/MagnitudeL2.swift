import LinearAlgebra

/// Squared weights of everything that is removed with a unit: the baseline that every paper compares with.
///
/// A group: its rows of Q, K and V and its columns of O. A channel: its rows of gate and up and its column of down.
/// Known to be a bad choice for language models (LLM-Pruner, arXiv 2305.11627, table 1): never a default.
public struct MagnitudeL2: Importance {
  public init() {}

  public let name = "magnitude-l2"
  public let summary = "sum of squared weights of a unit (baseline)"
  public let source = "LLM-Pruner, arXiv 2305.11627, L2 baseline"

  public func scores(of layer: ScoredLayer) -> UnitScores {
    let weights = layer.weights
    let dimension = layer.headDimension
    let query = layer.foldColumns(rowEnergies(of: weights.query.weight))
    let key = rowEnergies(of: weights.key.weight)
    let value = rowEnergies(of: weights.value.weight)
    let output = layer.foldColumns(columnEnergies(of: weights.output.weight))
    let groups = (0..<layer.shape.kvHeads).map { group in
      let rows = group * dimension..<(group + 1) * dimension
      return query[group] + output[group] + key[rows].reduce(0, +) + value[rows].reduce(0, +)
    }
    let gate = rowEnergies(of: weights.gate.weight)
    let up = rowEnergies(of: weights.up.weight)
    let down = columnEnergies(of: weights.down.weight)
    return UnitScores(groups: groups, channels: gate.indices.map { gate[$0] + up[$0] + down[$0] })
  }

  private func rowEnergies(of weight: Matrix<Float>) -> [Float] {
    (0..<weight.rows).map { Kernels.dot(weight.row($0), weight.row($0), count: weight.columns) }
  }

  private func columnEnergies(of weight: Matrix<Float>) -> [Float] {
    let sums = Matrix<Float>(rows: 1, columns: weight.columns)
    for i in 0..<weight.rows {
      let row = weight.row(i)
      for j in 0..<weight.columns { sums.pointer[j] += row[j] * row[j] }
    }
    return sums.elements
  }
}
