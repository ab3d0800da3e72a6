import Calibration
import LanguageModels
import Subnets

/// Keeps queries and keys as large as they were when heads go, if one norm runs over all heads together.
///
/// Such a norm divides by the root mean square of all heads. With fewer heads that is another number, and all that stay
/// would grow or shrink. The gains of the kept heads are therefore multiplied by
///
///     √( E[ mean square of the kept heads / mean square of all ] )
///
/// The mean is of each token's ratio, because the norm divides each token on its own.
public struct JointNorms: Sendable {
  private let queries: [Float]
  private let keys: [Float]

  public init(_ statistics: LayerStatistics) { (queries, keys) = (statistics.queryShares, statistics.keyShares) }

  /// Multiplies the gains of a layer that keeps these units, and of which they are inherited.
  public func adjust(_ layer: inout LayerWeights, keeping units: KeptUnits, of parent: LayerShape) {
    func multiply(_ norm: LayerPart, _ shares: [Float], _ heads: [Int]) {
      // All heads in any order change nothing.
      if shares.isEmpty || heads.isEmpty || heads.count == shares.count { return }
      let kept = heads.reduce(0) { $0 + shares[$1] }
      let factor = (kept * Float(shares.count) / Float(heads.count)).squareRoot()
      // Heads that are always zero stay so.
      if factor > 0 { layer[gain: norm] = layer[gain: norm].map { $0 * factor } }
    }
    multiply(.allQueriesNorm, queries, units.queryIndices(of: parent, headDimension: 1))
    multiply(.allKeysNorm, keys, units.keyIndices(headDimension: 1))
  }
}

extension ModelConfiguration {
  /// Whether a norm runs over all heads of queries or keys together.
  public var normalisesHeadsJointly: Bool {
    block.parts.contains(.allQueriesNorm) || block.parts.contains(.allKeysNorm)
  }
}

extension Subnet {
  /// The subnet with the gains that `JointNorms` gives it.
  ///
  /// - Parameters:
  ///   - norms: those of all layers of the parent.
  ///   - units: units that each layer keeps.
  public func adjusting(_ norms: [JointNorms], keeping units: [KeptUnits]) -> Subnet {
    let shapes = parent.configuration.layers
    return withLayers { index in
      var layer = try self.layer(index)
      norms[index].adjust(&layer, keeping: units[index], of: shapes[index])
      return layer
    }
  }
}
