import Importance
import LanguageModels
import LinearAlgebra
import Subnets

/// The evolution of search-llm (arXiv 2409.17372, section 3.3 and algorithm 1) over the sets of kept units.
///
/// Algorithm 1 as printed draws random sets until one overlaps the old in a share `α` of *all* units; below a ratio of about
/// 0.89 none ever does, and the operator silently returns the old mask. Here the overlap is `α` of the units *kept* and is
/// constructed: `⌈α·k⌉` of the `k` kept units stay, the rest is drawn anew. A new ratio first grows or shrinks the set by
/// importance. Candidates outside the budget are not discarded but fitted, by channels in random layers.
struct MaskEvolution {
  /// Probabilities by which a module's ratio and mask change.
  struct Rates {
    var mask: Double
    var ratio: Double

    static let initial = Rates(mask: 0.6, ratio: 0.3)
    static let later = Rates(mask: 0.3, ratio: 0.1)
  }

  /// `α`.
  private static let similarity = 0.8
  private let configuration: ModelConfiguration
  /// Units of each layer, the most important first.
  private let rankings: [UnitRanking]
  private let budget: Int
  private let population: Int
  private let ratios: (attention: [Double], mlp: [Double])
  private var random: SeededGenerator
  private(set) var evaluations = 0

  init(configuration: ModelConfiguration, scores: [UnitScores], budget: Int, seed: UInt64, population: Int) {
    self.configuration = configuration
    rankings = scores.map(\.ranking)
    self.budget = budget
    self.population = population
    ratios = Self.ratios(keep: Double(budget) / Double(max(1, configuration.blockParameters)))
    random = SeededGenerator(seed: seed, stream: 31)
  }

  /// The grids of table 1 for a target share, from the nearest row. The row of 70 % has 0.3 for attention in print, out of
  /// line with its neighbours; 0.6 is taken.
  static func ratios(keep: Double) -> (attention: [Double], mlp: [Double]) {
    let (attention, mlp): (Double, Double) =
      switch keep {
      case 0.85...: (0.9, 0.6)
      case 0.75...: (0.8, 0.4)
      case 0.65...: (0.6, 0.2)
      default: (0.6, 0.1)
      }
    return (
      Array(stride(from: attention, through: 1.0001, by: 0.01)), Array(stride(from: mlp, through: 1.0001, by: 0.05))
    )
  }

  /// Runs until so many candidates were judged; the first is `start` itself.
  ///
  /// - Parameter objective: smaller is better; told the number of candidates judged before.
  mutating func run(
    from start: [KeptUnits], evaluations limit: Int, _ objective: ([KeptUnits], Int) throws -> Double
  ) rethrows -> (units: [KeptUnits], value: Double) {
    let parentCount = max(2, population / 10)
    var best = [(units: start, value: try objective(start, 0))]
    evaluations = 1
    var isFirst = true
    while evaluations < limit {
      let parents = isFirst ? best : Array(best.prefix(parentCount))
      for place in 0..<population where evaluations < limit {
        let parent = parents[random.integer(below: parents.count)].units
        let child =
          if isFirst || place >= population * 8 / 10 {
            mutated(parent, .initial)
          } else if place < population / 2 {
            mutated(parent, .later)
          } else {
            crossed(parent, parents[random.integer(below: parents.count)].units)
          }
        best.append((child, try objective(child, evaluations)))
        evaluations += 1
      }
      best.sort { $0.value < $1.value }
      best.removeLast(max(0, best.count - parentCount))
      isFirst = false
    }
    return best[0]
  }

  // MARK: - Operators

  mutating func mutated(_ units: [KeptUnits], _ rates: Rates) -> [KeptUnits] {
    var result = units
    for (index, shape) in configuration.layers.enumerated() {
      let ranking = rankings[index]
      result[index].groups = mutated(units[index].groups, of: ranking.groups, shape.kvHeads, ratios.attention, rates)
      result[index].channels = mutated(
        units[index].channels, of: ranking.channels, shape.mlpChannels, ratios.mlp, rates)
    }
    return fitted(result)
  }

  private mutating func mutated(
    _ kept: [Int], of ranking: [Int], _ count: Int, _ ratios: [Double], _ rates: Rates
  ) -> [Int] {
    if count == 0 { return kept }
    var result = kept
    if random.chance(rates.ratio) {
      let ratio = ratios[random.integer(below: ratios.count)]
      result = resized(result, to: max(1, Int((ratio * Double(count)).rounded())), ranking)
    }
    if random.chance(rates.mask) { result = redrawn(result, count) }
    return result
  }

  /// Grows by the most important of the units left out, or shrinks by the least important of those kept.
  private func resized(_ kept: [Int], to width: Int, _ ranking: [Int]) -> [Int] {
    let inside = Set(kept)
    let ordered = ranking.filter(inside.contains) + ranking.filter { !inside.contains($0) }
    return ordered.prefix(width).sorted()
  }

  /// `⌈α·k⌉` of the kept units stay, the others are drawn from all that are not among those.
  mutating func redrawn(_ kept: [Int], _ count: Int) -> [Int] {
    let staying = Int((Self.similarity * Double(kept.count)).rounded(.up))
    let old = kept.shuffled(using: &random).prefix(staying)
    let others = Set(0..<count).subtracting(old).sorted().shuffled(using: &random)
    return (old + others.prefix(kept.count - staying)).sorted()
  }

  /// Each layer's attention and MLP from one parent or the other.
  mutating func crossed(_ first: [KeptUnits], _ second: [KeptUnits]) -> [KeptUnits] {
    let mixed = zip(first, second).map { one, other in
      KeptUnits(
        groups: random.chance(0.5) ? one.groups : other.groups,
        channels: random.chance(0.5) ? one.channels : other.channels)
    }
    return fitted(mixed)
  }

  /// Channels of random layers leave or come back until the budget is met to within one channel.
  private mutating func fitted(_ units: [KeptUnits]) -> [KeptUnits] {
    var widths = units.map { LayerWidths(groups: $0.groups.count, channels: $0.channels.count) }
    let perChannel = max(1, configuration.parametersPerMLPChannel)
    let chunk = max(1, (configuration.layers.map(\.mlpChannels).max() ?? 1) / 32)
    var order = Array(widths.indices)
    while true {
      let excess = configuration.cost(widths) - budget
      // Rounded towards fewer parameters.
      let change = excess > 0 ? (excess + perChannel - 1) / perChannel : -(-excess / perChannel)
      if change == 0 { break }
      order.shuffle(using: &random)
      var left = change
      for index in order where left != 0 {
        let whole = configuration.layers[index].mlpChannels
        let room = left > 0 ? max(0, widths[index].channels - 1) : whole - widths[index].channels
        let step = min(abs(left), chunk, room)
        widths[index].channels -= left > 0 ? step : -step
        left -= left > 0 ? step : -step
      }
      // Nothing more can move: groups have to go too, or everything is kept.
      if left == change, !dropGroup(&widths, excess) { break }
    }
    return units.indices.map { index in
      KeptUnits(
        groups: resized(units[index].groups, to: widths[index].groups, rankings[index].groups),
        channels: resized(units[index].channels, to: widths[index].channels, rankings[index].channels))
    }
  }

  private mutating func dropGroup(_ widths: inout [LayerWidths], _ excess: Int) -> Bool {
    let candidates = widths.indices.filter { widths[$0].groups > 1 }
    guard excess > 0, !candidates.isEmpty else { return false }
    widths[candidates[random.integer(below: candidates.count)]].groups -= 1
    return true
  }
}
