import LanguageModels
import Search

/// Costs of the layers of a subnet by their widths: parameters, bytes, or a time that was measured once.
public protocol LayerCosts: Sendable {
  /// The cost that no width changes.
  var fixed: Int { get }

  /// The cost of one half of a layer at a width.
  func cost(layer: Int, unit: UnitKind, width: Int) -> Int
}

/// The two kinds of units that a width counts.
public enum UnitKind: String, CaseIterable, Sendable, Codable {
  case group
  case channel
}

extension BoundSpace {
  /// Costs of layers as costs of the space's genomes. One width for all layers costs what it costs in each of them.
  public func table(of costs: some LayerCosts) -> SteppedCost {
    let layers = space.layers == .shared ? Array(0..<configuration.layerCount) : nil
    return SteppedCost(base: costs.fixed, for: design) { variable, value in
      (layers ?? [variable / 2]).reduce(0) {
        $0 + costs.cost(layer: $1, unit: variable % 2 == 0 ? .group : .channel, width: value)
      }
    }
  }
}
