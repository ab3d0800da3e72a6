import Importance
import LanguageModels
import LinearAlgebra
import Subnets
import Testing

@testable import Calibration
@testable import Reformation

@Suite struct PrefixStatisticsTests {
  private static func windows(_ model: LanguageModel) -> TokenWindows {
    TokenWindows(length: 20, tokens: someTokens(1200, below: model.configuration.vocabularySize))
  }

  private static func gather(
    _ model: LanguageModel, _ subnet: Subnet<LanguageModel>, _ windows: TokenWindows,
    _ tokens: SequentialReformation.Options.Tokens
  ) throws -> [LayerStatistics] {
    let dense = try GatheredStatistics(model, windows, name: "set")
    var layers: [LayerStatistics] = []
    try PrefixStatistics.run(model, subnet, on: windows, dense: dense, tokens: tokens) { index, statistics in
      #expect(index == layers.count)
      layers.append(statistics)
    }
    return layers
  }

  private static func whole(_ model: LanguageModel) -> Subnet<LanguageModel> {
    Subnet(of: model, keeping: model.configuration.layers.map { .all(of: $0) })
  }

  private func size(_ matrix: Matrix<Float>) -> Double { Double(matrix.elements.map { abs($0) }.max() ?? 0) }

  /// Where nothing is pruned all is as on the dense network, and nothing is lacking.
  @Test(arguments: Fixture.allCases.filter { !Fixture.ofExperts.contains($0) })
  func onTheWholeNetworkNothingIsLacking(fixture: Fixture) throws {
    let model = try fixture.model()
    let windows = Self.windows(model)
    let found = try Self.gather(model, Self.whole(model), windows, .equal)
    let dense = try GatheredStatistics(model, windows, name: "set")
    #expect(found.count == dense.layerCount)
    for (index, layer) in found.enumerated() {
      let known = dense.layer(index)
      for gram in [
        \LayerStatistics.contextGram, \.hiddenGram, \.attentionInputGram, \.mlpInputGram,
      ] where known[keyPath: gram].count > 0 {
        #expect(
          distance(layer[keyPath: gram], known[keyPath: gram]) < 2e-3 * size(known[keyPath: gram]),
          "layer \(index), \(gram)")
      }
      for vector in [\LayerStatistics.contextMean, \.contextMagnitude, \.hiddenMean, \.hiddenMagnitude] {
        for (a, b) in zip(layer[keyPath: vector], known[keyPath: vector]) { #expect(abs(a - b) < 2e-3 * (1 + abs(b))) }
      }
      #expect(abs(layer.energyAfterMLP / known.energyAfterMLP - 1) < 1e-3)
      #expect(abs(layer.energyAfterAttention / known.energyAfterAttention - 1) < 1e-3)
      #expect(layer.queryShares == known.queryShares && layer.keyShares == known.keyShares)
      for (lacking, gram) in [(layer.contextLacking, layer.contextGram), (layer.hiddenLacking, layer.hiddenGram)] {
        let lacking = try #require(lacking)
        #expect(lacking.rows == gram.rows && lacking.columns == model.configuration.hiddenSize)
        #expect(size(lacking) <= 1e-4 * max(1, size(gram)))
      }
    }
  }

  /// The moments by hand: all units on the stream behind a first layer that lost most of its own.
  @Test(arguments: [SequentialReformation.Options.Tokens.equal, .balanced])
  func momentsAreThoseOfAllUnitsOnThePrefix(tokens: SequentialReformation.Options.Tokens) throws {
    let model = try Fixture.qwen2Bias.model()
    let windows = Self.windows(model)
    var units = model.configuration.layers.map { KeptUnits.all(of: $0) }
    units[0] = KeptUnits(groups: [1], channels: Array(0..<20))
    let subnet = Subnet(of: model, keeping: units)
    let found = try Self.gather(model, subnet, windows, tokens)[1]
    let pass = ForwardPass(windows)
    let (dense, pruned) = (try pass.embed(model), try pass.embed(model))
    let (runner, prunedRunner) = (pass.runner(for: model), pass.runner(for: subnet))
    try runner.run(layer: 0, weights: model.layer(0), dense)
    try prunedRunner.run(layer: 0, weights: subnet.layer(0), pruned)
    let weights = try model.layer(1)
    for module in LayerPart.Module.allCases {
      // Both go on with all units in this layer.
      let inputs = try runner.inputs(of: module, layer: weights, pruned)
      let own = try runner.inputs(of: module, layer: weights, dense)
      try runner.add(weights[module.output], of: own, to: dense)
      try runner.add(weights[module.output], of: inputs, to: pruned)
      let counts = (0..<dense.rows).map { row in
        tokens == .equal
          ? 1 : 1 / (0..<dense.columns).reduce(0.0) { $0 + Double(dense[row, $1] * dense[row, $1]) }.squareRoot()
      }
      let mean = counts.reduce(0, +) / Double(counts.count)
      let weighted = inputs.widened()
      let lacking = dense.widened()
      for (i, count) in counts.enumerated() {
        for j in 0..<weighted.columns { weighted[i, j] *= count / mean }
        for j in 0..<lacking.columns { lacking[i, j] -= Double(pruned[i, j]) }
      }
      let scale = 1 / Double(inputs.rows)
      let gram = Matrix<Double>(rows: inputs.columns, columns: inputs.columns)
      multiply(weighted, inputs.widened(), transposingA: true, scale: scale, into: gram)
      let cross = Matrix<Double>(rows: inputs.columns, columns: lacking.columns)
      multiply(weighted, lacking, transposingA: true, scale: scale, into: cross)
      let (wantedGram, wantedCross) = (gram.transposedNarrowed(), cross.transposed().transposedNarrowed())
      let isAttention = module == .attention
      let foundCross = try #require(isAttention ? found.contextLacking : found.hiddenLacking)
      #expect(distance(isAttention ? found.contextGram : found.hiddenGram, wantedGram) < 1e-4 * size(wantedGram))
      #expect(distance(foundCross, wantedCross) < 1e-4 * size(wantedCross))
      #expect(size(wantedCross) > 1e-3 * size(wantedGram))
    }
  }

  /// With them a ranked layer brings the stream nearer to the dense one than with the dense network's own, even with all
  /// units.
  @Test func correctsWhatThePrefixLost() throws {
    let model = try Fixture.qwen2Bias.model()
    let windows = Self.windows(model)
    let shapes = model.configuration.layers
    var units = shapes.map { KeptUnits.all(of: $0) }
    units[0] = KeptUnits(groups: [1], channels: Array(0..<20))
    let subnet = Subnet(of: model, keeping: units)
    let (found, dense) = (
      try Self.gather(model, subnet, windows, .equal)[1], try GatheredStatistics(model, windows, name: "set").layers[1]
    )
    func error(_ statistics: LayerStatistics, groups: Int, channels: Int) throws -> Double {
      let ranking = UnitRanking(groups: Array(0..<shapes[1].kvHeads), channels: Array(0..<shapes[1].mlpChannels))
      let layer = try RankedLayer(
        ScoredLayer(1, of: model, for: nil, statistics: OneLayer(statistics)), ranking: ranking, repair: .nested,
        damping: 1e-4
      ).weights(groups: groups, channels: channels)
      let pass = ForwardPass(windows)
      let (stream, goal) = (try pass.embed(model), try pass.embed(model))
      let (runner, prunedRunner) = (pass.runner(for: model), pass.runner(for: subnet))
      try prunedRunner.run(layer: 0, weights: subnet.layer(0), stream)
      try runner.run(layer: 1, weights: layer, stream)
      for index in 0...1 { try runner.run(layer: index, weights: model.layer(index), goal) }
      return zip(stream.elements, goal.elements).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
    }
    let (groups, channels) = (shapes[1].kvHeads, shapes[1].mlpChannels)
    #expect(
      try error(found, groups: groups, channels: channels) < 0.8 * error(dense, groups: groups, channels: channels))
    #expect(try error(found, groups: 1, channels: 40) < 0.9 * error(dense, groups: 1, channels: 40))
  }

  @Test(arguments: Fixture.ofExperts) func expertsHaveNoPrefix(fixture: Fixture) throws {
    let model = try fixture.model()
    #expect(throws: ReformationError.expertsHaveNoPrefix) {
      try Self.gather(model, Self.whole(model), Self.windows(model), .equal)
    }
  }
}

extension Fixture {
  fileprivate static let ofExperts: [Fixture] = [.qwen3moeSix, .olmoeFive, .mixtralFour, .gptossSinks]
}

/// The same statistics for every layer.
private struct OneLayer: Statistics {
  let statistics: LayerStatistics
  let name = "set"
  let tokens = 1
  let layerCount = 2

  init(_ statistics: LayerStatistics) { self.statistics = statistics }

  func layer(_ index: Int) -> LayerStatistics { statistics }
}
