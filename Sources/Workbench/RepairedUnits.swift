import Importance
import LanguageModels
import Reformation
import Runtime
import Subnets

/// Subnets of any units, which need not be the first of a ranking.
extension Workbench {
  /// The best units of every layer by their scores, as many as the widths say.
  public func units(_ widths: [LayerWidths], _ scores: [UnitScores]) -> [KeptUnits] {
    zip(widths, scores).map { width, scores in
      let ranking = scores.ranking
      return KeptUnits(
        groups: ranking.groups.prefix(width.groups).sorted(),
        channels: ranking.channels.prefix(width.channels).sorted())
    }
  }

  /// The subnet that keeps the given units with the model's own weights, but for the gains of norms over all heads
  /// (`JointNorms`).
  public func inherited(_ units: [KeptUnits]) throws -> Subnet<LanguageModel> {
    let subnet = Subnet(of: model, keeping: units)
    return configuration.normalisesHeadsJointly ? subnet.adjusting(try jointNorms(), keeping: units) : subnet
  }

  private func jointNorms() throws -> [JointNorms] {
    if let knownNorms { return knownNorms }
    let statistics = try statistics()
    let made = try configuration.layers.indices.map { JointNorms(try statistics.layer($0)) }
    knownNorms = made
    return made
  }

  /// The subnet that keeps the given units, its output projections repaired.
  ///
  /// - Parameters:
  ///   - units: ascending in each layer.
  ///   - damping: `nil` for the bench's.
  public func subnet(
    keeping units: [KeptUnits], repair: Repair, damping: Double? = nil
  ) throws -> Subnet<LanguageModel> {
    if repair == .none { return try inherited(units) }
    let damping = try damping ?? self.damping()
    let statistics = try statistics()
    return try timed(.repair) {
      let made = zip(units, configuration.layers).map { $0.shape(of: $1) }
      let layers = try LayerStore(configuration.with(layers: made), within: model.memory)
      let most = model.memory.tasks(ofBytes: configuration.bytesPerLayerTask)
      try Threads.forEach(units.count, atMost: most) { [model, configuration] index, _ in
        let shape = configuration.layers[index]
        let kept = units[index]
        // Any units are a prefix of some ranking: theirs first.
        let ranking = UnitRanking(
          groups: kept.groups + Set(0..<shape.kvHeads).subtracting(kept.groups).sorted(),
          channels: kept.channels + Set(0..<shape.mlpChannels).subtracting(kept.channels).sorted())
        let layer = try ScoredLayer(index, of: model, for: nil, statistics: statistics)
        try layers.store(
          index,
          RankedLayer(layer, ranking: ranking, repair: repair, damping: damping)
            .weights(groups: kept.groups.count, channels: kept.channels.count))
      }
      let subnet = Subnet(of: model, layers: made) { try layers.layer($0) }
      return repair == .bias ? subnet.withOutputBiases() : subnet
    }
  }
}
