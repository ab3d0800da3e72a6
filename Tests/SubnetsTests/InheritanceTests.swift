import LanguageModels
import LinearAlgebra
import Testing

@testable import Subnets

@Suite struct InheritanceTests {
  /// Some units of every layer, in an order that is not ascending.
  private func someUnits(_ configuration: ModelConfiguration, seed: UInt64) -> [KeptUnits] {
    var random = SeededGenerator(seed: seed)
    return configuration.layers.map { shape in
      let groups = Array(0..<shape.kvHeads).shuffled(using: &random)
      let channels = Array(0..<shape.mlpChannels).shuffled(using: &random)
      // Without an expert its tokens get others (`ExpertInheritanceTests`), so that all stay here, in another order.
      let kept = configuration.block.experts == nil ? shape.mlpChannels / 3 + Int(random.next() % 9) : channels.count
      return KeptUnits(
        groups: Array(groups.prefix(1 + Int(random.next() % UInt64(shape.kvHeads)))),
        channels: Array(channels.prefix(kept)))
    }
  }

  /// The parent with the columns of the removed units set to zero, so that they contribute nothing. A norm over all heads
  /// sees no removed heads either, and its mean is over the others.
  private func masked(_ model: LanguageModel, _ units: [KeptUnits]) -> Altered {
    let configuration = model.configuration
    return Altered(whole: model) { index, weights in
      let queries = configuration.layers[index].queriesPerGroup
      let heads = units[index].groups.enumerated().flatMap { place, group in
        (units[index].queries?[place] ?? Array(0..<queries)).map { group * queries + $0 }
      }
      func zero(_ linear: inout Linear, _ keeps: (Int) -> Bool) {
        linear.weight = linear.weight.copy()
        for column in 0..<linear.inputs where !keeps(column) {
          linear.weight.columns(column..<column + 1).fill(0)
        }
      }
      zero(&weights.output) { heads.contains($0 / configuration.headDimension) }
      if !weights.hasExperts { zero(&weights.down) { units[index].channels.contains($0) } }
      for (norm, part, kept) in [
        (LayerPart.allQueriesNorm, LayerPart.query, heads), (.allKeysNorm, .key, units[index].groups),
      ] where !weights[gain: norm].isEmpty {
        let all = weights[part].outputs / configuration.headDimension
        let factor = (Float(kept.count) / Float(all)).squareRoot()
        weights[gain: norm] = weights[gain: norm].map { $0 * factor }
        weights[part].weight = weights[part].weight.copy()
        Kernels.scale(weights[part].weight.pointer, by: 1 / factor, count: weights[part].weight.count)
        for row in 0..<weights[part].outputs where !kept.contains(row / configuration.headDimension) {
          weights[part].weight.rows(row..<row + 1).fill(0)
        }
      }
    }
  }

  @Test(arguments: Fixture.allCases, [1, 2, 3] as [UInt64])
  func subnetIsTheParentWithoutTheRemovedContributions(fixture: Fixture, seed: UInt64) throws {
    let model = try fixture.model()
    let units = someUnits(model.configuration, seed: seed)
    let tokens = someTokens(40, below: model.configuration.vocabularySize)
    let subnet = Subnet(of: model, keeping: units)
    for (index, shape) in subnet.configuration.layers.enumerated() {
      #expect(shape == units[index].shape(of: model.configuration.layers[index]))
      #expect(shape.kvHeads == units[index].groups.count && shape.mlpChannels == units[index].channels.count)
      #expect(shape.queriesPerGroup == model.configuration.layers[index].queriesPerGroup)
    }
    let logits = try subnet.logits(tokens)
    #expect(distance(logits, try masked(model, units).logits(tokens)) <= 5e-5)
    #expect(distance(logits, try model.logits(tokens)) > 1e-2)
  }

  /// Every kept group keeps one query head, here not the first of each: still the parent without the others.
  @Test(arguments: [Fixture.mistralGQA, .qwen2Bias, .qwen3Odd, .gemma2Caps, .gemma3Local, .olmo2Norms, .glmPartial])
  func queriesMayBeThinned(fixture: Fixture) throws {
    let model = try fixture.model()
    var units = someUnits(model.configuration, seed: 4)
    for (index, shape) in model.configuration.layers.enumerated() {
      units[index].queries = units[index].groups.map { [($0 + index) % shape.queriesPerGroup] }
    }
    let tokens = someTokens(40, below: model.configuration.vocabularySize)
    let subnet = Subnet(of: model, keeping: units)
    #expect(subnet.configuration.layers.allSatisfy { $0.queryHeads == $0.kvHeads && $0.kvHeads > 0 })
    let logits = try subnet.logits(tokens)
    #expect(distance(logits, try masked(model, units).logits(tokens)) <= 5e-5)
    for index in units.indices { units[index].queries = nil }
    #expect(distance(logits, try Subnet(of: model, keeping: units).logits(tokens)) > 1e-2)
  }

  @Test(arguments: Fixture.allCases)
  func keepingAllInAnyOrderIsTheParent(fixture: Fixture) throws {
    let model = try fixture.model()
    let tokens = someTokens(30, below: model.configuration.vocabularySize)
    let all = model.configuration.layers.map(KeptUnits.all)
    #expect(Subnet(of: model, keeping: all).configuration == model.configuration)
    let logits = try model.logits(tokens)
    #expect(distance(try Subnet(of: model, keeping: all).logits(tokens), logits) == 0)
    var random = SeededGenerator(seed: 6)
    let shuffled = all.map {
      KeptUnits(groups: $0.groups.shuffled(using: &random), channels: $0.channels.shuffled(using: &random))
    }
    #expect(distance(try Subnet(of: model, keeping: shuffled).logits(tokens), logits) <= 5e-5)
  }

  /// A layer of no groups adds nothing, and neither does one of no channels; biases of a removed module go with it.
  @Test func wholeModulesMayGo() throws {
    let model = try Fixture.qwen2Bias.model()
    let all = model.configuration.layers.map(KeptUnits.all)
    var units = all
    units[0].channels = []
    units[1].groups = []
    units[2] = KeptUnits(groups: [], channels: [])
    let tokens = someTokens(30, below: 320)
    let subnet = Subnet(of: model, keeping: units)
    #expect(subnet.configuration.layers[2] == LayerShape(queryHeads: 0, kvHeads: 0, mlpChannels: 0))
    #expect(distance(try subnet.logits(tokens), try masked(model, units).logits(tokens)) <= 5e-5)
  }

  /// The first units of a ranked layer are the units that the ranking names first.
  @Test(arguments: Fixture.allCases)
  func prefixIsTheInheritanceOfTheFirstUnits(fixture: Fixture) throws {
    let model = try fixture.model()
    let configuration = model.configuration
    let shape = configuration.layers[1]
    var random = SeededGenerator(seed: 12)
    let order = KeptUnits(
      groups: Array(0..<shape.kvHeads).shuffled(using: &random),
      channels: Array(0..<shape.mlpChannels).shuffled(using: &random))
    let weights = try model.layer(1)
    let ranked = weights.inherit(order, from: shape, headDimension: configuration.headDimension)
    for groups in 0...shape.kvHeads {
      for channels in [0, 1, min(7, shape.mlpChannels - 1), shape.mlpChannels] {
        let prefix = ranked.prefix(
          groups: groups, queriesPerGroup: shape.queriesPerGroup, channels: channels,
          headDimension: configuration.headDimension)
        let units = KeptUnits(
          groups: Array(order.groups.prefix(groups)), channels: Array(order.channels.prefix(channels)))
        let direct = weights.inherit(units, from: shape, headDimension: configuration.headDimension)
        for part in LayerPart.projections {
          let (a, b) = (prefix[part], direct[part])
          #expect(a.weight.rows == b.weight.rows && a.weight.columns == b.weight.columns)
          #expect(a.weight.elements == b.weight.elements && a.bias == b.bias)
        }
        for norm in LayerPart.norms { #expect(prefix[gain: norm] == direct[gain: norm]) }
        for norm in LayerPart.norms where norm.outputs == .hidden || norm.outputs == .head {
          #expect(prefix[gain: norm] == weights[gain: norm])
        }
      }
    }
  }

  @Test func indicesAreContiguousRunsOfTheGroups() {
    let shape = LayerShape(queryHeads: 6, kvHeads: 3, mlpChannels: 4)
    let units = KeptUnits(groups: [2, 0], channels: [3])
    #expect(units.queryIndices(of: shape, headDimension: 2) == [8, 9, 10, 11, 0, 1, 2, 3])
    #expect(units.keyIndices(headDimension: 2) == [4, 5, 0, 1])
    #expect(units.shape(of: shape) == LayerShape(queryHeads: 4, kvHeads: 2, mlpChannels: 1))
    #expect(KeptUnits.all(of: shape) == KeptUnits(groups: [0, 1, 2], channels: [0, 1, 2, 3]))
  }

  @Test func sharesTheOuterPartsOfItsParent() throws {
    let model = try Fixture.mistralGQA.model()
    let subnet = Subnet(of: model, keeping: model.configuration.layers.map(KeptUnits.all))
    #expect(subnet.embedding.pointer == model.embedding.pointer && subnet.head.pointer == model.head.pointer)
    #expect(subnet.finalNorm == model.finalNorm)
  }
}
