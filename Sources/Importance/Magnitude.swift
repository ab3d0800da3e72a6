/// The sum of the absolute or squared weights that are removed with a unit: the baseline of every paper.
///
/// A group: its rows of Q, K and V and its columns of O. A channel: its rows of gate and up and its column of down.
/// Known to be a bad choice for language models (LLM-Pruner, arXiv 2305.11627, table 1): never a default.
public struct Magnitude: Importance {
  public enum Norm: String, Sendable { case l1, l2 }

  private let norm: Norm

  public init(_ norm: Norm) { self.norm = norm }

  public var name: String { "magnitude-\(norm.rawValue)" }
  public var summary: String { "sum of \(norm == .l1 ? "absolute" : "squared") weights of a unit (baseline)" }
  public var source: String { "LLM-Pruner, arXiv 2305.11627, \(norm.rawValue.uppercased()) baseline" }

  public func scores(of layer: ScoredLayer) -> UnitScores {
    layer.coupled { part in
      let weight = layer.weights[part].weight
      switch norm {
      case .l1: return part.writesToStream ? columnMagnitudes(of: weight) : rowMagnitudes(of: weight)
      case .l2: return part.writesToStream ? columnEnergies(of: weight) : rowEnergies(of: weight)
      }
    }
  }
}
