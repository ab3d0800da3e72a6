import LinearAlgebra

/// The sum of the squared weights that are removed with a unit: the baseline with which every paper compares.
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
    return layer.coupled(
      query: rowEnergies(of: weights.query.weight), key: rowEnergies(of: weights.key.weight),
      value: rowEnergies(of: weights.value.weight), output: columnEnergies(of: weights.output.weight),
      gate: rowEnergies(of: weights.gate.weight), up: rowEnergies(of: weights.up.weight),
      down: columnEnergies(of: weights.down.weight))
  }
}
