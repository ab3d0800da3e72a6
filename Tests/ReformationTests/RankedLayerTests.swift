import LanguageModels
import LinearAlgebra
import Subnets
import Testing

@testable import Calibration
@testable import Importance
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

  private func ranked(_ repair: Repair, damping: Double = 0.01) throws -> RankedLayer {
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
    #expect(layer.errors().attention == nil && layer.errors().mlp == nil)
    for (groups, channels) in [(2, 96), (1, 40), (0, 96), (2, 0), (0, 0)] {
      #expect(layer.weights(groups: groups, channels: channels).elements == (try inherited(groups, channels)).elements)
    }
  }

  @Test func repairChangesTheOutputProjectionsOnly() throws {
    let layer = try ranked(.nested)
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
    #expect(layer.errors().attention == [attention.errors[0], attention.errors[16], 0])
    #expect(layer.errors().mlp == mlp.errors)
  }

  /// Of each group one query head stays: its inputs come first in the order of the least squares, those of the others last.
  @Test func thinnedQueriesAreRepaired() throws {
    let thinned = UnitRanking(groups: [1, 0], channels: ranking.channels, queries: [[1, 0], [0, 1]])
    let scored = ScoredLayer(
      index: 1, shape: shape, headDimension: 8, weights: try model.layer(1), statistics: statistics.layers[1])
    let layer = try RankedLayer(scored, ranking: thinned, queries: 1, repair: .nested, damping: 0.01)
    // Heads 2 and 1 stay, of groups 1 and 0.
    let order = [2, 1, 3, 0].flatMap { Array($0 * 8..<($0 + 1) * 8) }
    let solver = try NestedReformation(
      gram: statistics.layers[1].contextGram, weight: model.layer(1).output.weight, order: order, damping: 0.01)
    #expect(layer.errors().attention == [solver.errors[0], solver.errors[8], solver.errors[16]])
    for groups in 1...2 {
      let found = layer.weights(groups: groups, channels: 96)
      let units = KeptUnits(groups: Array([1, 0].prefix(groups)), channels: ranking.channels, queries: [[0], [1]])
      let plain = try model.layer(1).inherit(units, from: shape, headDimension: 8)
      #expect(found.query.weight.elements == plain.query.weight.elements && found.query.bias == plain.query.bias)
      #expect(found.key.weight.elements == plain.key.weight.elements)
      #expect(found.output.weight.elements == solver.weight(keeping: groups * 8).elements)
    }
    let layerWithBias = try RankedLayer(scored, ranking: thinned, queries: 1, repair: .bias, damping: 0.01)
    let bias = try #require(layerWithBias.weights(groups: 2, channels: 96).output.bias)
    let (weight, means) = (try model.layer(1).output.weight, statistics.layers[1].contextMean)
    for output in 0..<32 {
      var expected: Float = 0
      for input in order.dropFirst(16) { expected += weight[output, input] * means[input] }
      #expect(abs(bias[output] - expected) < 1e-5)
    }
  }

  /// The head that is a copy of another goes first: the other makes up for it.
  @Test func aQueryHeadThatAnotherGivesToo() throws {
    let gram = statistics.layers[1].contextGram.copy()
    // Head 1 reads what head 0 does.
    for i in 0..<32 {
      for j in 8..<16 { gram[i, j] = gram[i, j - 8] }
    }
    for i in 8..<16 {
      for j in 0..<32 { gram[i, j] = gram[i - 8, j] }
    }
    var altered = statistics.layers[1]
    altered.contextGram = gram
    let scored = ScoredLayer(
      index: 1, shape: shape, headDimension: 8, weights: try model.layer(1), statistics: altered)
    let order = try QueryHeads.order(scored)
    #expect(order.map { $0.sorted() } == [[0, 1], [0, 1]])
    let solver = { (order: [Int]) in
      try NestedReformation(
        gram: gram, weight: model.layer(1).output.weight, order: order.flatMap { Array($0 * 8..<($0 + 1) * 8) },
        damping: 1e-6)
    }
    // Removing it alone costs almost nothing; the head that order names last in its group is one of the two.
    let gone = order[0][1]
    let errors = try solver([2, 3, 1 - gone, gone]).errors
    #expect(errors[24] < 1e-4 * errors[0])
  }

  @Test func wholeModulesAreLeftAlone() throws {
    let layer = try ranked(.nested)
    #expect(layer.weights(groups: 2, channels: 96).elements == (try inherited(2, 96)).elements)
    let half = layer.weights(groups: 2, channels: 10)
    #expect(half.output.weight.elements == (try inherited(2, 10)).output.weight.elements)
    #expect(layer.weights(groups: 0, channels: 0).output.inputs == 0)
  }

  @Test func sameWidthIsTheSameMatrixAndIsCounted() throws {
    let layer = try ranked(.nested)
    let before = layer.byteCount
    let first = layer.weights(groups: 1, channels: 40)
    let after = layer.byteCount
    #expect(after - before == (32 * 16 + 32 * 40) * 4)
    let second = layer.weights(groups: 1, channels: 40)
    #expect(first.down.weight.pointer == second.down.weight.pointer && layer.byteCount == after)
    #expect(try ranked(.none).byteCount < before)
  }

  @Test func badStatisticsNameLayerAndModule() throws {
    var broken = statistics.layers[1]
    broken.hiddenGram = broken.hiddenGram.copy()
    broken.hiddenGram[3, 3] = .nan
    let error = ReformationError.layer(1, module: "MLP", problem: ReformationError.notFinite.description)
    #expect(throws: error) {
      try RankedLayer(
        ScoredLayer(index: 1, shape: shape, headDimension: 8, weights: model.layer(1), statistics: broken),
        ranking: ranking, repair: .nested, damping: 0.01)
    }
    #expect(error.description.contains("layer 1") && error.description.contains("MLP"))
  }

  /// The mean of what the removed inputs gave is not lost: `W·E[x]` stays what it was.
  @Test func biasKeepsTheMeanOutput() throws {
    let layer = try ranked(.bias)
    let (found, dense) = (layer.weights(groups: 1, channels: 40), try model.layer(1))
    func mean(_ linear: Linear, _ inputs: [Float]) -> [Double] {
      (0..<linear.outputs).map { output in
        inputs.indices.reduce(Double(linear.bias?[output] ?? 0)) {
          $0 + Double(linear.weight[output, $1]) * Double(inputs[$1])
        }
      }
    }
    let units = KeptUnits(groups: [1], channels: Array(ranking.channels.prefix(40)))
    let queries = units.queryIndices(of: shape, headDimension: 8)
    let (context, hidden) = (statistics.layers[1].contextMean, statistics.layers[1].hiddenMean)
    let pairs = [
      (mean(found.output, queries.map { context[$0] }), mean(dense.output, context)),
      (mean(found.down, units.channels.map { hidden[$0] }), mean(dense.down, hidden)),
    ]
    for (kept, whole) in pairs {
      for (a, b) in zip(kept, whole) { #expect(abs(a - b) < 1e-4) }
    }
    // Where nothing is removed the bias is that of the parent, and the weights are inherited everywhere.
    let all = layer.weights(groups: 2, channels: 96)
    #expect(all.output.bias?.allSatisfy { $0 == 0 } == true && all.down.bias?.allSatisfy { $0 == 0 } == true)
    #expect(found.down.weight.elements == (try inherited(1, 40)).down.weight.elements)
  }

  /// With `S = 2·1` the loss's metric is the squared error itself; with a general one it is the sum over all pairs.
  @Test func lossErrorsWeighTheOutputs() throws {
    let weight = try model.layer(1).down.weight
    let nested = try NestedReformation(
      gram: statistics.layers[1].hiddenGram, weight: weight, order: ranking.channels, damping: 0.01)
    let size = weight.rows
    let identity = Matrix<Float>(rows: size, columns: size)
    for i in 0..<size { identity[i, i] = 2 }
    for (a, b) in zip(nested.lossErrors(identity), nested.errors) { #expect(abs(a - b) <= 1e-9 * max(1, b)) }

    let x = Matrix<Float>.random(20, size, seed: 4)
    let moments = Matrix<Float>(rows: size, columns: size)
    multiply(x, x, transposingA: true, into: moments)
    let found = nested.lossErrors(moments)
    // Damping aside, width 0 loses W·x itself: ½·tr(S·W·G·Wᵀ).
    let gram = statistics.layers[1].hiddenGram.widened()
    let trace = (0..<gram.rows).reduce(0.0) { $0 + gram[$1, $1] }
    for i in 0..<gram.rows { gram[i, i] += 0.01 * trace / Double(gram.rows) }
    var expected = 0.0
    for a in 0..<size {
      for b in 0..<size {
        var product = 0.0
        for i in 0..<weight.columns {
          var inner = 0.0
          for j in 0..<weight.columns { inner += gram[i, j] * Double(weight[b, j]) }
          product += Double(weight[a, i]) * inner
        }
        expected += Double(moments[a, b]) * product / 2
      }
    }
    #expect(abs(found[0] / expected - 1) < 1e-6 && found[96] == 0)
    #expect(zip(found, found.dropFirst()).allSatisfy { $0 >= $1 - 1e-9 })
  }
}
