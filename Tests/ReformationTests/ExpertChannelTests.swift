import Calibration
import Importance
import LinearAlgebra
import Subnets
import Testing

@testable import LanguageModels
@testable import Reformation

/// Experts that keep some of their channels.
@Suite struct ExpertChannelTests {
  private func factory(_ model: LanguageModel, _ repair: Repair) throws -> (SubnetFactory<LanguageModel>, TokenWindows)
  {
    let windows = TokenWindows(length: 20, tokens: someTokens(1200, below: model.configuration.vocabularySize))
    let factory = try SubnetFactory(
      parent: model, scores: [WandaSP()], statistics: [GatheredStatistics(model, windows, name: "set")], repair: repair,
      damping: 1e-6, byteLimit: .max)
    return (factory, windows)
  }

  private func choice(_ width: Int?) -> SubnetFactory<LanguageModel>.Choice {
    .init(score: "wanda-sp", calibration: "set", expertChannels: width)
  }

  private func logits(_ network: some Network, _ tokens: [Int32]) throws -> Matrix<Float> {
    let hidden = try ForwardPass(TokenWindows(length: tokens.count, tokens: tokens)).hiddenStates(of: network)
    return try network.outputHead(.single).logits(hidden, vocabulary: network.head.rows)
  }

  /// Corrections of fewer channels know of no biases.
  @Test func expertsWithBiasesKeepTheirChannels() throws {
    let model = try Fixture.gptossSinks.model()
    let widths = model.configuration.layers.map { LayerWidths(groups: $0.kvHeads, channels: $0.mlpChannels) }
    for repair in [Repair.none, .nested] {
      #expect(throws: ImportanceError.expertBiases) { try factory(model, repair).0.subnet(widths, choice(8)) }
    }
  }

  /// All experts and groups stay, each expert a little narrower: least squares bring the first layer's MLP nearer to what it
  /// was than the inherited weights, and the units that are named are those whose rows are there.
  @Test(arguments: Fixture.withNarrowExperts) func narrowExpertsAreCorrected(fixture: Fixture) throws {
    let model = try fixture.model()
    let configuration = model.configuration
    let width = configuration.channelsPerUnit * 3 / 4
    let widths = configuration.layers.map { LayerWidths(groups: $0.kvHeads, channels: $0.mlpChannels) }
    let (nested, windows) = try factory(model, .nested)
    let (none, _) = try factory(model, .none)
    let (fitted, inherited) = (try nested.subnet(widths, choice(width)), try none.subnet(widths, choice(width)))
    for subnet in [fitted, inherited] {
      #expect(subnet.configuration.channelsPerUnit == width && subnet.configuration.layers == configuration.layers)
      #expect(
        configuration.blockParameters - subnet.configuration.blockParameters
          == configuration.layers.reduce(0) { $0 + $1.mlpChannels } * 3 * configuration.hiddenSize
          * (configuration.channelsPerUnit - width))
    }
    let units = try nested.units(widths, choice(width))
    for (index, kept) in units.enumerated() {
      let (layer, whole) = (try fitted.layer(index), try model.layer(index))
      let ranked = try nested.rankedLayer(index, choice(width)).ranking.channels
      for (place, expert) in kept.channels.enumerated() {
        let own = try #require(kept.expertChannels?[place])
        #expect(own.count == width && own == own.sorted() && Set(own).count == width)
        let there = try #require(ranked.firstIndex(of: expert))
        let rows = layer.gate.weight.rows(there * width..<(there + 1) * width)
        let expected = whole.gate.weight.gatherRows(own.map { expert * configuration.channelsPerUnit + $0 })
        func sorted(_ matrix: Matrix<Float>) -> [[Float]] {
          (0..<matrix.rows).map { matrix.rows($0..<$0 + 1).elements }.sorted { $0[0] < $1[0] }
        }
        #expect(sorted(rows) == sorted(expected))
      }
    }
    func error(_ subnet: Subnet<LanguageModel>) throws -> Double {
      let pass = ForwardPass(windows)
      let (dense, runner) = (try pass.embed(model), pass.runner(for: model))
      let whole = try model.layer(0)
      try runner.add(whole.output, of: runner.inputs(of: .attention, layer: whole, dense), to: dense)
      let (found, layer, made) = (dense.copy(), try subnet.layer(0), pass.runner(for: subnet))
      try runner.add(whole.down, from: .mlp, of: runner.inputs(of: .mlp, layer: whole, dense), to: dense)
      try made.add(layer.down, from: .mlp, of: made.inputs(of: .mlp, layer: layer, found), to: found)
      return zip(dense.elements, found.elements).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
    }
    #expect(try error(fitted) < 0.95 * error(inherited))
  }

  /// As many channels as there are change nothing, and a subnet is the same whether its layers are in memory or not.
  @Test func allChannelsAreThePlainSubnet() throws {
    let model = try Fixture.qwen3moeSix.model()
    let widths = model.configuration.layers.map { LayerWidths(groups: $0.kvHeads, channels: $0.mlpChannels - 1) }
    let tokens = someTokens(20, below: model.configuration.vocabularySize)
    let (nested, _) = try factory(model, .nested)
    let all = try logits(nested.subnet(widths, choice(model.configuration.channelsPerUnit)), tokens)
    let plain = try logits(nested.subnet(widths, choice(nil)), tokens)
    #expect(distance(all, plain) <= 1e-5)
    // Without repair the subnet inherits by its units.
    let (none, _) = try factory(model, .none)
    let units = try none.units(widths, choice(12))
    let (made, direct) = (try none.subnet(widths, choice(12)), Subnet(of: model, keeping: units))
    #expect(direct.configuration.channelsPerUnit == 12)
    #expect(distance(try logits(made, tokens), try logits(direct, tokens)) <= 1e-5)
  }
}
