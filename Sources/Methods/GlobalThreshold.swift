import Importance
import LanguageModels
import Subnets

/// Units of all layers ranked together and the least important removed, as few as the budget allows.
///
/// Every layer keeps its best group and its best step of channels: a layer without units is no layer of the loaders.
struct GlobalThreshold {
  let configuration: ModelConfiguration
  let scores: [UnitScores]
  /// Kept widths of MLPs are rounded up to whole steps, counted from the full width.
  let step: Int

  private struct Unit {
    let layer: Int
    let isGroup: Bool
    let score: Float
  }

  /// One threshold for groups and channels.
  ///
  /// - Parameters:
  ///   - groupFactor: what scores of groups are multiplied by before they stand beside those of channels.
  ///   - budget: block parameters at most.
  /// - Returns: `nil` where even the narrowest widths exceed the budget.
  func widths(groupFactor: Float, budget: Int) -> [LayerWidths]? {
    let pool = removable { $0.isGroup ? $0.score * groupFactor : $0.score }
    return smallest(0...pool.count, budget: budget) { widths(removing: pool.prefix($0)) }
  }

  /// Two thresholds, one for groups and one for channels, tied so that the share of channels removed is `gamma` times that
  /// of groups (NIRVANA's code).
  ///
  /// - Returns: `nil` where even the narrowest widths exceed the budget.
  func widths(gamma: Double, budget: Int) -> [LayerWidths]? {
    let pool = removable { $0.score }
    let (groups, channels) = (pool.filter(\.isGroup), pool.filter { !$0.isGroup })
    let groupCount = configuration.layers.reduce(0) { $0 + $1.kvHeads }
    let channelCount = configuration.layers.reduce(0) { $0 + $1.mlpChannels }
    let steps = 10_000
    return smallest(0...steps, budget: budget) { step in
      let share = Self.tiedShares(sparsity: Double(step) / Double(steps), gamma: gamma, configuration)
      return widths(
        removing: groups.prefix(Int(share.attention * Double(groupCount) + 1e-9))
          + channels.prefix(Int(share.mlp * Double(channelCount) + 1e-9)))
    }
  }

  /// The shares of KV groups and of channels to remove so that together they are `sparsity` of their parameters and the
  /// second is `gamma` times the first:
  ///
  ///     f_attention = s·(A + M) / (A + γ·M),   f_mlp = γ·f_attention
  ///
  /// with `A` and `M` the prunable parameters of attention and MLP. Neither exceeds 1; what one cannot take the other
  /// does.
  static func tiedShares(
    sparsity: Double, gamma: Double, _ configuration: ModelConfiguration
  ) -> (attention: Double, mlp: Double) {
    var (attention, mlp) = (0.0, 0.0)
    for layer in configuration.layers {
      attention += Double(
        layer.kvHeads * configuration.parametersPerKVGroup(queriesPerGroup: layer.queriesPerGroup))
      mlp += Double(layer.mlpChannels * configuration.parametersPerMLPChannel)
    }
    guard attention + mlp > 0 else { return (0, 0) }
    let wanted = sparsity * (attention + mlp)
    let tied = wanted / (attention + gamma * mlp)
    if gamma * tied > 1 { return (attention > 0 ? min(1, (wanted - mlp) / attention) : 0, 1) }
    if tied > 1 { return (1, mlp > 0 ? min(1, (wanted - attention) / mlp) : 0) }
    return (tied, gamma * tied)
  }

  /// All units that may go, the least important first.
  private func removable(_ value: (Unit) -> Float) -> [Unit] {
    var units: [Unit] = []
    for (index, scores) in scores.enumerated() {
      let ranking = scores.ranking
      let shape = configuration.layers[index]
      let least = shape.mlpChannels - max(0, shape.mlpChannels - 1) / step * step
      units += ranking.groups.dropFirst(1).map { Unit(layer: index, isGroup: true, score: scores.groups[$0]) }
      units += ranking.channels.dropFirst(least).map { Unit(layer: index, isGroup: false, score: scores.channels[$0]) }
    }
    let values = units.map(value)
    return units.indices.sorted { (values[$0], $0) < (values[$1], $1) }.map { units[$0] }
  }

  private func widths(removing units: some Sequence<Unit>) -> [LayerWidths] {
    var widths = configuration.layers.map { LayerWidths(groups: $0.kvHeads, channels: $0.mlpChannels) }
    for unit in units {
      if unit.isGroup { widths[unit.layer].groups -= 1 } else { widths[unit.layer].channels -= 1 }
    }
    for (index, shape) in configuration.layers.enumerated() {
      widths[index].channels = shape.mlpChannels - (shape.mlpChannels - widths[index].channels) / step * step
    }
    return widths
  }

  /// The widths at the smallest amount that meets the budget; more is never dearer.
  private func smallest(
    _ amounts: ClosedRange<Int>, budget: Int, _ widths: (Int) -> [LayerWidths]
  ) -> [LayerWidths]? {
    var (low, high) = (amounts.lowerBound, amounts.upperBound)
    if configuration.cost(widths(high)) > budget { return nil }
    while low < high {
      let middle = (low + high) / 2
      if configuration.cost(widths(middle)) > budget { low = middle + 1 } else { high = middle }
    }
    return widths(high)
  }
}
