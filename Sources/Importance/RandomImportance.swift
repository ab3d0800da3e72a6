import LinearAlgebra

/// Uniform random scores, the same for a layer in every run: the control that any score must beat.
public struct RandomImportance: Importance {
  private let seed: UInt64

  public init(seed: UInt64 = 0) { self.seed = seed }

  public let name = "random"
  public let summary = "uniform random scores (control)"
  public let source = "LLM-Pruner, arXiv 2305.11627, random baseline"

  public func scores(of layer: ScoredLayer) -> UnitScores {
    var random = SeededGenerator(seed: seed, stream: UInt64(layer.index))
    return UnitScores(
      groups: (0..<layer.shape.kvHeads).map { _ in Float(random.unit()) },
      channels: (0..<layer.shape.mlpChannels).map { _ in Float(random.unit()) })
  }
}
