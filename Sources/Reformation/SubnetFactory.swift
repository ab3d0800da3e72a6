import Calibration
import Importance
import LanguageModels
import LinearAlgebra
import Runtime
import Subnets
import Synchronization

/// Makes subnets of a parent: units chosen by a score on a calibration set, weights corrected for the widths.
///
/// Ranked layers are shared between subnets and kept within a byte limit; the least recently used are dropped first.
/// Rankings are small and never dropped.
public final class SubnetFactory<Parent: Network>: Sendable {
  /// The choice that decides the order in which units are kept.
  public struct Choice: Hashable, Sendable {
    public var score: String
    public var calibration: String
    /// λ of the least squares; `nil` for the factory's.
    public var damping: Double?
    /// Query heads that every kept group keeps; `nil` for all.
    public var queries: Int?
    /// Channels that every kept expert keeps; `nil` for all.
    public var expertChannels: Int?

    public init(
      score: String, calibration: String, damping: Double? = nil, queries: Int? = nil, expertChannels: Int? = nil
    ) {
      (self.score, self.calibration, self.damping) = (score, calibration, damping)
      (self.queries, self.expertChannels) = (queries, expertChannels)
    }

    /// The key of a ranking.
    var ranking: Choice { Choice(score: score, calibration: calibration) }
  }

  public let parent: Parent
  public let repair: Repair
  public let damping: Double
  private let rankings: Rankings<Parent>
  /// The statistics that weights are solved from, if not those that units are ranked by.
  private let solving: Rankings<Parent>?
  private let byteLimit: Int
  private let cache = Mutex(Cache())

  struct Key: Hashable {
    let choice: Choice
    let layer: Int
  }

  private struct Cache {
    var layers: [Key: (layer: RankedLayer, used: Int)] = [:]
    var clock = 0
  }

  /// - Parameter byteLimit: memory for ranked layers, apart from those in use.
  public init(
    parent: Parent, scores: [any Importance], statistics: [any Statistics], repair: Repair, damping: Double,
    byteLimit: Int
  ) {
    rankings = Rankings(parent: parent, scores: scores, statistics: statistics)
    solving = nil
    (self.parent, self.repair, self.damping, self.byteLimit) = (parent, repair, damping, byteLimit)
  }

  /// A factory of the same units with another repair.
  ///
  /// - Parameter statistics: statistics to solve weights from, under the names of those that rank units, or `nil`.
  public init(
    rankingAs other: SubnetFactory, repair: Repair, statistics: [any Statistics]? = nil, byteLimit: Int
  ) {
    (parent, rankings, damping) = (other.parent, other.rankings, other.damping)
    solving = statistics.map { Rankings(parent: other.parent, scores: [], statistics: $0) }
    (self.repair, self.byteLimit) = (repair, byteLimit)
  }

  /// The subnet of the given widths. Each group keeps as many query heads as the choice says.
  ///
  /// Its layers are in memory. If they are too large (`LayerStore`), their solved weights lie on disk, and each request
  /// for a layer inherits the rest again.
  public func subnet(_ widths: [LayerWidths], _ choice: Choice) throws -> Subnet<Parent> {
    let configuration = parent.configuration
    let kept = zip(widths, configuration.layers).map { widths, shape in
      LayerWidths(groups: widths.groups, channels: widths.channels, queries: choice.queries).shape(of: shape)
    }
    let isSmall = LayerStore.keepsInMemory(configuration.with(layers: kept), within: parent.memory)
    // The units are in the order of the ranking at any size.
    try rank(choice)
    let units = try widths.enumerated().map {
      try rankings.ranking($0, choice).first($1, choice.queries, choice.expertChannels)
    }
    if repair == .none, !isSmall {
      let plain = Subnet(of: parent, keeping: units)
      if !configuration.normalisesHeadsJointly { return plain }
      return try plain.adjusting(
        widths.indices.map { try (solving ?? rankings).jointNorms($0, choice) }, keeping: units)
    }
    let layers = try LayerStore(configuration.with(layers: kept), within: parent.memory)
    try Threads.forEach(kept.count, atMost: layersAtOnce) { index, _ in
      var made = try rankedLayer(index, choice).weights(groups: widths[index].groups, channels: widths[index].channels)
      if !isSmall { made = made.onlyOutputs }
      try layers.store(index, made)
    }
    evict()
    return Subnet(of: parent, layers: kept, expertChannels: choice.expertChannels) { [parent] index in
      let made = try layers.layer(index)
      if isSmall { return made }
      var layer = try parent.layer(index)
        .inherit(units[index], from: configuration.layers[index], headDimension: configuration.headDimension)
      for part in LayerPart.projections where part.writesToStream { layer[part] = made[part] }
      for part in LayerPart.norms { layer[gain: part] = made[gain: part] }
      return layer
    }
  }

  /// The units that the subnet of the given widths keeps, each layer's in the parent's order.
  public func units(_ widths: [LayerWidths], _ choice: Choice) throws -> [KeptUnits] {
    try widths.enumerated().map { index, width in
      try rankings.ranking(index, choice).first(width, choice.queries, choice.expertChannels).inParentOrder
    }
  }

  /// One layer in the order of a score, from the cache or made now.
  public func rankedLayer(_ index: Int, _ choice: Choice) throws -> RankedLayer {
    let key = Key(choice: choice, layer: index)
    let known = cache.withLock { cache -> RankedLayer? in
      cache.clock += 1
      cache.layers[key]?.used = cache.clock
      return cache.layers[key]?.layer
    }
    if let known {
      // Its solved weights may have grown since.
      evict(sparing: key)
      return known
    }
    let (ranking, read) = try rankings.order(index, choice)
    var scored = try solving?.layer(index, choice) ?? read ?? rankings.layer(index, choice)
    if let orders = ranking.expertChannels, let count = choice.expertChannels {
      scored = try scored.narrowed(to: orders, count: count, repair: repair, damping: choice.damping ?? damping)
    }
    evict(makingRoomFor: parent.configuration.bytesPerRankedLayer)
    let layer = try RankedLayer(
      scored, ranking: ranking, queries: choice.queries, repair: repair, damping: choice.damping ?? damping)
    let kept = cache.withLock { cache in
      if let earlier = cache.layers[key] { return earlier.layer }
      cache.layers[key] = (layer, cache.clock)
      return layer
    }
    evict(sparing: key)
    return kept
  }

  /// Makes the ranked layers of some choices on all workers, if all of them can be kept. Otherwise they are made on
  /// request, layer by layer.
  ///
  /// - Parameter monitor: hears of the layers that are done.
  /// - Returns: `true` if all were made.
  public func prepare(_ choices: [Choice], monitor: Monitor) throws -> Bool {
    let configuration = parent.configuration
    let keys = choices.flatMap { choice in (0..<configuration.layerCount).map { Key(choice: choice, layer: $0) } }
    guard keys.count * configuration.bytesPerRankedLayer <= byteLimit else { return false }
    let missing = cache.withLock { cache in keys.filter { cache.layers[$0]?.layer.isOrdered != true } }
    try Threads.forEach(missing.count, atMost: layersAtOnce, of: .init(.factorising), monitor) { place, _ in
      try rankedLayer(missing[place].layer, missing[place].choice).order()
    }
    return true
  }

  /// Finds the rankings of all layers.
  public func rank(_ choice: Choice) throws {
    try Threads.forEach(parent.configuration.layerCount, atMost: layersAtOnce) { index, _ in
      _ = try rankings.ranking(index, choice)
    }
  }

  /// Number of layers that are ranked, factorised or solved at the same time.
  private var layersAtOnce: Int { parent.memory.tasks(ofBytes: parent.configuration.bytesPerLayerTask) }

  /// Drops all ranked layers, but not the rankings.
  public func forget() { cache.withLock { $0.layers = [:] } }

  /// Bytes of ranked layers and their solved weights.
  var heldBytes: Int { cache.withLock { $0.layers.values.reduce(0) { $0 + $1.layer.byteCount } } }

  /// Drops solved weights, which one triangular solve brings back, then whole layers; the least recently used first.
  private func evict(sparing spared: Key? = nil, makingRoomFor bytes: Int = 0) {
    cache.withLock { cache in
      var held = cache.layers.values.reduce(bytes) { $0 + $1.layer.byteCount }
      if held <= byteLimit { return }
      let oldest = cache.layers.filter { $0.key != spared }.sorted { $0.value.used < $1.value.used }
      for (_, entry) in oldest where held > byteLimit { held -= entry.layer.forgetSolutions() }
      for (key, entry) in oldest where held > byteLimit {
        held -= entry.layer.byteCount
        cache.layers[key] = nil
      }
    }
  }
}

extension UnitRanking {
  /// The units that stay at some widths, in the order of the ranking.
  ///
  /// - Parameters:
  ///   - heads: number of query heads that every kept group keeps; `nil` for all.
  ///   - width: number of channels that every kept expert keeps; `nil` for all.
  fileprivate func first(_ widths: LayerWidths, _ heads: Int?, _ width: Int?) -> KeptUnits {
    func first(_ orders: [[Int]]?, of units: [Int], _ count: Int?) -> [[Int]]? {
      orders.map { orders in units.map { Array(orders[$0].prefix(count ?? orders[$0].count)) } }
    }
    let (groups, channels) = (Array(groups.prefix(widths.groups)), Array(channels.prefix(widths.channels)))
    return KeptUnits(
      groups: groups, channels: channels, queries: first(queries, of: groups, heads),
      expertChannels: first(expertChannels, of: channels, width))
  }
}

extension KeptUnits {
  fileprivate var inParentOrder: KeptUnits {
    let places = groups.indices.sorted { groups[$0] < groups[$1] }
    let experts = channels.indices.sorted { channels[$0] < channels[$1] }
    return KeptUnits(
      groups: places.map { groups[$0] }, channels: experts.map { channels[$0] },
      queries: queries.map { queries in places.map { queries[$0].sorted() } },
      expertChannels: expertChannels.map { kept in experts.map { kept[$0].sorted() } })
  }
}

extension LayerWeights {
  /// The output and down projections, the others empty.
  fileprivate var onlyOutputs: LayerWeights {
    mapProjections { $0.writesToStream ? $1 : Linear(weight: Matrix(rows: 0, columns: 0)) }
  }
}
