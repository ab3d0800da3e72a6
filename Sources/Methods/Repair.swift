import Calibration
import Importance
import LanguageModels
import LinearAlgebra
import Reformation
import Subnets

extension Workbench {
  /// The subnet that keeps the given units, its output projections repaired.
  ///
  /// - Parameter units: ascending in each layer.
  func subnet(keeping units: [KeptUnits], repair: RepairMode) throws -> Subnet<LanguageModel> {
    if repair == .none { return Subnet(of: model, keeping: units) }
    let statistics = try statistics()
    return try timed(.repair) {
      let layers = Slots<LayerWeights>(count: units.count)
      try Threads.forEach(units.count) { [model, configuration, damping] index, _ in
        let shape = configuration.layers[index]
        let kept = units[index]
        // Any units are a prefix of some ranking: theirs first.
        let ranking = UnitRanking(
          groups: kept.groups + Set(0..<shape.kvHeads).subtracting(kept.groups).sorted(),
          channels: kept.channels + Set(0..<shape.mlpChannels).subtracting(kept.channels).sorted())
        let layer = ScoredLayer(
          index: index, shape: shape, headDimension: configuration.headDimension, weights: try model.layer(index),
          statistics: try statistics.layer(index))
        layers[index] = try RankedLayer(layer, ranking: ranking, repair: repair, damping: damping)
          .weights(groups: kept.groups.count, channels: kept.channels.count)
      }
      let made = layers.all
      let subnet = Subnet(of: model, layers: zip(units, configuration.layers).map { $0.shape(of: $1) }) { made[$0] }
      return repair == .bias ? subnet.withOutputBiases() : subnet
    }
  }

  /// The subnet repaired once more layer by layer, if that lowers its divergence on the held-out windows.
  func sequentiallyRepaired(
    _ nested: Subnet<LanguageModel>
  ) throws -> (network: Subnet<LanguageModel>, repair: String) {
    try timed(.repair) {
      let total = configuration.layerCount
      let sequential = try SequentialReformation(
        parent: model, subnet: nested, calibration: calibration, heldOut: heldOut
      ) { [self] in try progress("sequential repair", $0 + 1, total) }
      let subnet = Subnet(of: model, layers: nested.configuration.layers) { sequential.layers[$0] }
      let better = try divergence(of: subnet) < divergence(of: nested)
      return better ? (subnet, "sequential") : (nested, "nested")
    }
  }

  /// The best units of every layer by their scores, as many as the widths say.
  func units(_ widths: [LayerWidths], _ scores: [UnitScores]) -> [KeptUnits] {
    zip(widths, scores).map { width, scores in
      let ranking = scores.ranking
      return KeptUnits(
        groups: ranking.groups.prefix(width.groups).sorted(),
        channels: ranking.channels.prefix(width.channels).sorted())
    }
  }
}
