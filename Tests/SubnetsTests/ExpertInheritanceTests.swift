import Foundation
import LinearAlgebra
import Testing

@testable import LanguageModels
@testable import Subnets

/// Subnets of mixtures of experts.
@Suite struct ExpertInheritanceTests {
  /// What the MLP of a parent's layer adds for one token if it has some of the experts only: the router's scores of the
  /// others are left out, and the token takes the best of those that are there.
  private func mlp(_ weights: LayerWeights, _ routing: ExpertRouting, _ kept: [Int], _ normed: [Double]) -> [Double] {
    func product(_ matrix: Matrix<Float>, _ row: Int, _ x: [Double]) -> Double {
      x.indices.reduce(0) { $0 + Double(matrix[row, $1]) * x[$1] }
    }
    let scores = kept.map { (expert: $0, score: product(weights[.router].weight, $0, normed)) }
    let chosen = scores.sorted { $0.score > $1.score }.prefix(routing.perToken)
    let sum = (routing.renormalises ? Array(chosen) : scores).reduce(0) { $0 + exp($1.score) }
    var result = Array(repeating: 0.0, count: normed.count)
    for (expert, score) in chosen {
      for channel in routing.range(of: expert) {
        let (gate, up) = (product(weights.gate.weight, channel, normed), product(weights.up.weight, channel, normed))
        let hidden = exp(score) / sum * gate / (1 + exp(-gate)) * up
        for i in result.indices { result[i] += hidden * Double(weights.down.weight[i, channel]) }
      }
    }
    return result
  }

  @Test(arguments: [Fixture.qwen3moeSix, .olmoeFive, .mixtralFour], [1, 2, 3])
  func tokensTakeTheBestOfTheExpertsThatStay(fixture: Fixture, kept count: Int) throws {
    let model = try fixture.model()
    let (configuration, weights) = (model.configuration, try model.layer(0))
    let routing = try #require(configuration.block.experts)
    let shape = configuration.layers[0]
    let kept = Array((0..<shape.mlpChannels).reversed().prefix(count))
    let units = configuration.layers.map { layer in
      KeptUnits(groups: Array(0..<layer.kvHeads), channels: kept)
    }
    let subnet = Subnet(of: model, keeping: units)
    #expect(subnet.configuration.layers[0].mlpChannels == count)
    #expect(
      configuration.blockParameters - subnet.configuration.blockParameters
        == configuration.layerCount * (shape.mlpChannels - count) * configuration.hiddenSize
        * (3 * routing.channels + 1))
    let windows = TokenWindows(length: 20, tokens: someTokens(40, below: configuration.vocabularySize))
    let pass = ForwardPass(windows)
    let (hidden, runner) = (try pass.embed(model), pass.runner(for: subnet))
    try runner.add(weights.output, of: runner.inputs(of: .attention, layer: weights, hidden), to: hidden)
    let normed = hidden.copy()
    try runner.normalise(normed, gain: weights.mlpNorm)
    let (found, inherited) = (hidden.copy(), try subnet.layer(0))
    try runner.add(
      inherited.down, from: .mlp, of: runner.inputs(of: .mlp, layer: inherited, hidden), to: found)
    for token in 0..<hidden.rows {
      let expected = mlp(weights, routing, kept, (0..<normed.columns).map { Double(normed[token, $0]) })
      for i in expected.indices {
        #expect(abs(Double(found[token, i] - hidden[token, i]) - expected[i]) <= 1e-5 * (1 + abs(expected[i])))
      }
    }
  }

  /// Biases go with their experts, and sinks with their heads.
  @Test func whatBelongsToAUnitGoesWithIt() throws {
    let model = try Fixture.gptossSinks.model()
    let shape = model.configuration.layers[0]
    let parent = try model.layer(0)
    let kept = parent.inherit(
      KeptUnits(groups: [1], channels: [3, 1]), from: shape, headDimension: model.configuration.headDimension)
    #expect(shape.queriesPerGroup == 2 && kept[gain: .sinks] == Array(parent[gain: .sinks][2..<4]))
    let one = parent.inherit(
      KeptUnits(groups: [1, 0], channels: [0], queries: [[1], [0]]), from: shape,
      headDimension: model.configuration.headDimension)
    #expect(one[gain: .sinks] == [parent[gain: .sinks][3], parent[gain: .sinks][0]])
    let channels = parent.channelsPerUnit
    for (place, expert) in [3, 1].enumerated() {
      #expect(kept[.router].bias?[place] == parent[.router].bias?[expert])
      let (bias, whole) = (kept[.expertBias].weight, parent[.expertBias].weight)
      #expect(bias.rows(place..<place + 1).elements == whole.rows(expert..<expert + 1).elements)
      for part in [LayerPart.gate, .up] {
        let (mine, theirs) = (try #require(kept[part].bias), try #require(parent[part].bias))
        #expect(
          mine[place * channels..<(place + 1) * channels] == theirs[expert * channels..<(expert + 1) * channels])
      }
    }
    let first = parent.prefix(
      groups: 1, queriesPerGroup: 2, channels: 2, headDimension: model.configuration.headDimension)
    #expect(first[gain: .sinks] == Array(parent[gain: .sinks].prefix(2)))
    #expect(first[.expertBias].outputs == 2 && first[.router].bias?.count == 2)
  }

  /// Layers of different numbers of experts, as a whole and one token at a time.
  @Test(arguments: [Fixture.qwen3moeSix, .olmoeFive, .mixtralFour, .gptossSinks])
  func generatesAsItRuns(fixture: Fixture) throws {
    let model = try fixture.model()
    let units = model.configuration.layers.enumerated().map { index, layer in
      KeptUnits(groups: [layer.kvHeads - 1], channels: Array((0..<layer.mlpChannels).suffix(1 + index)))
    }
    let subnet = Subnet(of: model, keeping: units)
    let tokens = someTokens(12, below: model.configuration.vocabularySize)
    let whole = try subnet.logits(tokens)
    let decoder = subnet.engine.decoder(subnet, sequences: 1, capacity: tokens.count, .single)
    for (place, token) in tokens.enumerated() {
      #expect(distance(try decoder.step([token]), whole.rows(place..<place + 1)) <= 2e-5)
    }
  }
}
