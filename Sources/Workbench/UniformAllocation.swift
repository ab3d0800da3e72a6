import LanguageModels
import Subnets

/// The same share of units removed from every layer of a window, all others left whole.
///
/// As in LLM-Pruner's code a share `s` removes `⌊s·n⌋` of `n` KV groups; the channels make up for the rounding, so that
/// the *parameter* budget is met. At least one group and one step of channels stay.
public struct UniformAllocation {
  private let configuration: ModelConfiguration
  /// Layers that are pruned.
  private let window: Range<Int>
  /// Widths of MLPs lose whole steps.
  private let step: Int
  /// Query heads that every kept group keeps; `nil` for all.
  private let queries: Int?

  public init(_ configuration: ModelConfiguration, window: Range<Int>? = nil, step: Int = 1, queries: Int? = nil) {
    self.configuration = configuration
    self.window = window ?? 0..<configuration.layerCount
    self.step = step
    self.queries = queries
  }

  /// - Parameter budget: block parameters at most.
  /// - Returns: `nil` where even the narrowest widths exceed the budget.
  public func widths(budget: Int) -> [LayerWidths]? {
    let share = share(budget: budget)
    var removed = configuration.layers.map { Int(share * Double($0.kvHeads) + 1e-9) }
    while true {
      let groups = configuration.layers.indices.map { index in
        let heads = configuration.layers[index].kvHeads
        return window.contains(index) ? max(min(1, heads), heads - removed[index]) : heads
      }
      if let found = widths(groups: groups, budget: budget) { return found }
      let fewer = removed.indices.map { min(removed[$0] + 1, max(0, configuration.layers[$0].kvHeads - 1)) }
      if fewer == removed { return nil }
      removed = fewer
    }
  }

  /// The share of the window's prunable parameters that has to go, between 0 and 1.
  public func share(budget: Int) -> Double {
    let prunable = window.reduce(0) {
      $0 + configuration.parameters(of: configuration.layers[$1]) - configuration.fixedParametersPerLayer
    }
    let excess = configuration.blockParameters - budget
    return prunable == 0 ? 0 : min(1, max(0, Double(excess) / Double(prunable)))
  }

  /// The widest channels for given groups.
  ///
  /// - Parameters:
  ///   - groups: of every layer.
  ///   - budget: block parameters at most.
  /// - Returns: `nil` where even the narrowest channels exceed the budget.
  public func widths(groups: [Int], budget: Int) -> [LayerWidths]? {
    func widths(removing share: Double) -> [LayerWidths] {
      configuration.layers.indices.map { index in
        let whole = configuration.layers[index].mlpChannels
        guard window.contains(index), whole > 0 else {
          return LayerWidths(groups: groups[index], channels: whole, queries: queries)
        }
        let least = whole - (whole - 1) / step * step
        let kept = whole - Int((Double(whole) * share / Double(step)).rounded(.up)) * step
        return LayerWidths(groups: groups[index], channels: max(least, kept), queries: queries)
      }
    }
    if configuration.cost(widths(removing: 1)) > budget { return nil }
    var (low, high) = (0.0, 1.0)
    if configuration.cost(widths(removing: 0)) <= budget { return widths(removing: 0) }
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if configuration.cost(widths(removing: middle)) > budget { low = middle } else { high = middle }
    }
    return widths(removing: high)
  }
}

extension ModelConfiguration {
  /// Block parameters of the subnet with the given widths.
  public func cost(_ widths: [LayerWidths]) -> Int {
    zip(widths, layers).reduce(0) { $0 + parameters(of: $1.0.shape(of: $1.1)) }
  }
}
