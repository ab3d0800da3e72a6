import Importance
import LanguageModels
import LinearAlgebra
import Subnets
import Testing

@testable import Calibration
@testable import Reformation

@Suite struct RankedLayerTests {
  private let model: LanguageModel
  private let statistics: GatheredStatistics
  private let windows = TokenWindows(length: 30, tokens: someTokens(900, below: 320))
  /// Layer 1 of the model, whose units are ranked backwards.
  private let ranking = UnitRanking(groups: [1, 0], channels: Array((0..<96).reversed()))

  init() throws {
    model = try Fixture.qwen2Bias.model()
    statistics = try GatheredStatistics(model, windows, name: "set")
  }

  private var shape: LayerShape { model.configuration.layers[1] }

  private func ranked(_ repair: RepairMode, damping: Double = 0.01) throws -> RankedLayer {
    try RankedLayer(
      ScoredLayer(
        index: 1, shape: shape, headDimension: 8, weights: model.layer(1), statistics: statistics.layers[1]),
      ranking: ranking, repair: repair, damping: damping)
  }

  private func inherited(_ groups: Int, _ channels: Int) throws -> LayerWeights {
    let units = KeptUnits(
      groups: Array(ranking.groups.prefix(groups)), channels: Array(ranking.channels.prefix(channels)))
    return try model.layer(1).inherit(units, from: shape, headDimension: 8)
  }

  @Test func withoutRepairWeightsAreInherited() throws {
    let layer = try ranked(.none)
    #expect(layer.attentionErrors == nil && layer.mlpErrors == nil)
    for (groups, channels) in [(2, 96), (1, 40), (0, 96), (2, 0), (0, 0)] {
      #expect(layer.weights(groups: groups, channels: channels).elements == (try inherited(groups, channels)).elements)
    }
  }

  @Test func repairChangesTheOutputProjectionsOnly() throws {
    let layer = try ranked(.leastSquares)
    let (found, plain) = (layer.weights(groups: 1, channels: 40), try inherited(1, 40))
    for part in [\LayerWeights.query, \.key, \.value, \.gate, \.up] {
      #expect(found[keyPath: part].weight.elements == plain[keyPath: part].weight.elements)
      #expect(found[keyPath: part].bias == plain[keyPath: part].bias)
    }
    let queries = KeptUnits(groups: ranking.groups, channels: []).queryIndices(of: shape, headDimension: 8)
    let attention = try NestedReformation(
      gram: statistics.layers[1].contextGram, weight: model.layer(1).output.weight, order: queries, damping: 0.01)
    #expect(found.output.weight.elements == attention.weight(keeping: 16).elements)
    let mlp = try NestedReformation(
      gram: statistics.layers[1].hiddenGram, weight: model.layer(1).down.weight, order: ranking.channels, damping: 0.01)
    #expect(found.down.weight.elements == mlp.weight(keeping: 40).elements)
    #expect(distance(found.down.weight, plain.down.weight) > 1e-3)
    #expect(layer.attentionErrors == [attention.errors[0], attention.errors[16], 0])
    #expect(layer.mlpErrors == mlp.errors)
  }

  @Test func wholeModulesAreLeftAlone() throws {
    let layer = try ranked(.leastSquares)
    #expect(layer.weights(groups: 2, channels: 96).elements == (try inherited(2, 96)).elements)
    let half = layer.weights(groups: 2, channels: 10)
    #expect(half.output.weight.elements == (try inherited(2, 10)).output.weight.elements)
    #expect(layer.weights(groups: 0, channels: 0).output.inputs == 0)
  }

  @Test func sameWidthIsTheSameMatrixAndIsCounted() throws {
    let layer = try ranked(.leastSquares)
    let before = layer.byteCount
    let first = layer.weights(groups: 1, channels: 40)
    let after = layer.byteCount
    #expect(after - before == (32 * 16 + 32 * 40) * 4)
    let second = layer.weights(groups: 1, channels: 40)
    #expect(first.down.weight.pointer == second.down.weight.pointer && layer.byteCount == after)
    #expect(try ranked(.none).byteCount < before)
  }

  /// On the calibration tokens themselves the repaired layer comes nearer to the dense one.
  @Test(arguments: Fixture.allCases)
  func repairLowersTheErrorOfTheLayer(fixture: Fixture) throws {
    let model = try fixture.model()
    let configuration = model.configuration
    let shape = configuration.layers[0]
    let windows = TokenWindows(length: 30, tokens: someTokens(900, below: configuration.vocabularySize))
    let statistics = try GatheredStatistics(model, windows, name: "set").layers[0]
    let weights = try model.layer(0)
    let ranking = WandaSP().scores(
      of: ScoredLayer(
        index: 0, shape: shape, headDimension: configuration.headDimension, weights: weights, statistics: statistics)
    ).ranking
    let pass = ForwardPass(windows)
    let hidden = try pass.embed(model)
    let runner = pass.runner(for: configuration)
    func output(_ weights: LayerWeights) throws -> Matrix<Float> {
      let x = hidden.copy()
      let context = try runner.attentionContext(layer: weights, x)
      x.fill(0)
      try runner.add(weights.output, of: context, to: x)
      return x
    }
    let dense = try output(weights)
    func error(_ repair: RepairMode, groups: Int) throws -> Double {
      let layer = try RankedLayer(
        ScoredLayer(
          index: 0, shape: shape, headDimension: configuration.headDimension, weights: weights, statistics: statistics),
        ranking: ranking, repair: repair, damping: 1e-6)
      let found = try output(layer.weights(groups: groups, channels: shape.mlpChannels))
      return zip(found.elements, dense.elements).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) } / 900
    }
    for groups in 1..<shape.kvHeads {
      let (repaired, plain) = (try error(.leastSquares, groups: groups), try error(.none, groups: groups))
      #expect(repaired < 0.99 * plain)
      let curve = try RankedLayer(
        ScoredLayer(
          index: 0, shape: shape, headDimension: configuration.headDimension, weights: weights, statistics: statistics),
        ranking: ranking, repair: .leastSquares, damping: 1e-6
      ).attentionErrors
      // The curve is what was measured, but for the share of the damping.
      #expect(abs(repaired / (curve?[groups] ?? 0) - 1) < 1e-3)
    }
  }

  @Test func badStatisticsNameLayerAndModule() throws {
    var broken = statistics.layers[1]
    broken.hiddenGram = broken.hiddenGram.copy()
    broken.hiddenGram[3, 3] = .nan
    let error = ReformationError.layer(1, module: "MLP", problem: ReformationError.notFinite.description)
    #expect(throws: error) {
      try RankedLayer(
        ScoredLayer(index: 1, shape: shape, headDimension: 8, weights: model.layer(1), statistics: broken),
        ranking: ranking, repair: .leastSquares, damping: 0.01)
    }
    #expect(error.description.contains("layer 1") && error.description.contains("MLP"))
  }
}
