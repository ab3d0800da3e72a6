import Calibration
import LanguageModels

/// First- and second-order Taylor scores of coupled structures (LLM-Pruner, arXiv 2305.11627, section 3.2).
///
/// With `g` the gradient of the loss and `F` the diagonal of the empirical Fisher matrix, a channel of one matrix
/// scores
///
///     vector   |Σ W·g|                      eq. 3, first order
///     first    Σ |W·g|                      eq. 5, element by element, first order
///     second   Σ W²·F                       its second-order term alone
///     mixed    Σ |W·g − ½·W²·F|             both
///
/// Matrices that are cut together are aggregated channel by channel (sum, mean, maximum, product, or the last one
/// alone), and a group's score is the sum over its head's channels. The released code folds the query rows of a
/// grouped-query model so that a group is scored by queries of other groups; here group `g` has the query heads `g·r …
/// (g+1)·r − 1`. `F` is accumulated in single precision; in the code's half precision it underflows.
public struct LLMPruner: Importance {
  public enum Kind: String, Sendable, CaseIterable {
    case vector
    case first
    case second
    case mixed = "mix"
  }

  /// The aggregation of a unit's matrices (section 3.2, “group importance”).
  public enum Aggregation: String, Sendable, CaseIterable {
    case sum
    case mean
    case max
    /// Each matrix is first divided by its mean over the layer, so that the product stays within single precision. That
    /// changes no order within a layer.
    case product
    /// Output projection or down projection alone.
    case last
  }

  private let kind: Kind
  private let aggregation: Aggregation

  public init(_ kind: Kind, aggregation: Aggregation = .sum) {
    (self.kind, self.aggregation) = (kind, aggregation)
  }

  /// Reads `llm-pruner-KIND` or `llm-pruner-KIND:AGGREGATION`.
  init?(name: String) {
    let parts = name.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard parts.count <= 2, parts[0].hasPrefix(Self.prefix),
      let kind = Kind(rawValue: String(parts[0].dropFirst(Self.prefix.count))),
      let aggregation = parts.count == 1 ? .sum : Aggregation(rawValue: parts[1])
    else { return nil }
    self.init(kind, aggregation: aggregation)
  }

  private static let prefix = "llm-pruner-"

  public var name: String {
    Self.prefix + kind.rawValue + (aggregation == .sum ? "" : ":\(aggregation.rawValue)")
  }

  public var summary: String {
    switch kind {
    case .vector: "|Σ W·g| of the loss gradient"
    case .first: "Σ |W·g| of the loss gradient; also :mean, :max, :product, :last"
    case .second: "Σ W²·F with the diagonal Fisher matrix"
    case .mixed: "Σ |W·g − ½·W²·F|"
    }
  }

  public let source = "LLM-Pruner, arXiv 2305.11627, eq. 3 to 6"
  public let gradients: BackwardPass.Scalar? = .loss

  public func scores(of layer: ScoredLayer) throws -> UnitScores {
    guard let saliencies = layer.saliencies else { throw ImportanceError.noGradients(score: name) }
    let dimension = layer.headDimension
    let queries = layer.shape.queriesPerGroup
    /// Adds up the query heads of each group, channel by channel of the head.
    func folded(_ values: [Float]) -> [Float] {
      (0..<layer.shape.kvHeads * dimension).map { place in
        let (group, channel) = (place / dimension, place % dimension)
        return (0..<queries).reduce(0) { $0 + values[(group * queries + $1) * dimension + channel] }
      }
    }
    let attention = combine([
      folded(values(saliencies.query)), values(saliencies.key), values(saliencies.value),
      folded(values(saliencies.output)),
    ])
    return UnitScores(
      groups: (0..<layer.shape.kvHeads).map { group in
        attention[group * dimension..<(group + 1) * dimension].reduce(0, +)
      },
      channels: combine([values(saliencies.gate), values(saliencies.up), values(saliencies.down)]))
  }

  private func values(_ part: Saliencies) -> [Float] {
    switch kind {
    case .vector: part.vector.map(abs)
    case .first: part.first
    case .second: part.second
    case .mixed: part.mixed
    }
  }

  /// One value for each channel from the values of all matrices, the output side last.
  private func combine(_ matrices: [[Float]]) -> [Float] {
    let channels = matrices[0].indices
    switch aggregation {
    case .sum: return channels.map { channel in matrices.reduce(0) { $0 + $1[channel] } }
    case .mean: return channels.map { channel in matrices.reduce(0) { $0 + $1[channel] } / Float(matrices.count) }
    case .max: return channels.map { channel in matrices.reduce(0) { Swift.max($0, $1[channel]) } }
    case .last: return matrices[matrices.count - 1]
    case .product:
      let relative = matrices.map { values in
        let mean = values.reduce(0.0) { $0 + Double($1) } / Double(max(1, values.count))
        return values.map { mean > 0 ? Float(Double($0) / mean) : 1 }
      }
      return channels.map { channel in relative.reduce(1) { $0 * $1[channel] } }
    }
  }
}
