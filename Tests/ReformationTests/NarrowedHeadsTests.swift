import LanguageModels
import LinearAlgebra
import Subnets
import Testing

@testable import Calibration
@testable import Reformation

/// Statistics in memory, with the gradients of the sampled loss.
struct DifferentiatedStatistics: Statistics {
  let base: GatheredStatistics
  let moments: [BackwardPass.OutputMoments]

  init(_ network: some Network, _ windows: TokenWindows) throws {
    base = try GatheredStatistics(network, windows, name: "set")
    var found: [Int: BackwardPass.OutputMoments] = [:]
    try BackwardPass(windows).run(network, of: .sampledLoss, parts: .outputMoments) { layer in
      found[layer.index] = layer.outputMoments.map { .init(attention: $0.attention.copy(), mlp: $0.mlp.copy()) }
    }
    moments = network.configuration.layers.indices.compactMap { found[$0] }
  }

  var name: String { base.name }
  var tokens: Int { base.tokens }
  var layerCount: Int { base.layerCount }
  func layer(_ index: Int) -> LayerStatistics { base.layer(index) }
  func saliencies(of scalar: BackwardPass.Scalar, layer index: Int) -> LayerSaliencies? {
    LayerSaliencies(outputMoments: moments[index]) { _ in Saliencies() }
  }
}

@Suite struct NarrowedHeadsTests {
  static let fixtures = [Fixture.mistralGQA, .qwen2Bias, .llamaMHA]
  private static let length = 24

  private func windows(_ model: LanguageModel, _ count: Int = 40, seed: UInt64 = 1) -> TokenWindows {
    TokenWindows(
      length: Self.length,
      tokens: someTokens(count * Self.length, below: model.configuration.vocabularySize, seed: seed))
  }

  private func hidden(_ network: some Network, _ windows: TokenWindows) throws -> Matrix<Float> {
    try ForwardPass(windows).hiddenStates(of: network)
  }

  private func squaredDistance(_ a: Matrix<Float>, _ b: Matrix<Float>) -> Double {
    zip(a.elements, b.elements).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
  }

  @Test(arguments: fixtures) func allDimensionsAreTheModelItself(fixture: Fixture) throws {
    let model = try fixture.model()
    let windows = windows(model)
    let heads = try NarrowedHeads(
      of: model, dimension: 8, windows: windows, statistics: DifferentiatedStatistics(model, windows), damping: 0.1)
    #expect(heads.pairs == [0, 1, 2, 3] && heads.network.configuration == model.configuration)
    #expect(try hidden(heads.network, windows).elements == hidden(model, windows).elements)
  }

  /// Values in other directions, and columns that undo it, are the same layer: whatever the damping, biases too.
  @Test(arguments: fixtures, [1e-6, 0.3]) func valuesCanBeTurned(fixture: Fixture, damping: Double) throws {
    let model = try fixture.model()
    let windows = windows(model)
    let statistics = try DifferentiatedStatistics(model, windows)
    let configuration = model.configuration
    let turned = Subnet(of: model, configuration: configuration) { index in
      let weights = try model.layer(index)
      let identity = Matrix<Float>(rows: 8, columns: 8)
      for i in 0..<8 { identity[i, i] = 1 }
      return try NarrowedLayer(weights: weights, dimension: 8, engine: model.engine).narrowed(
        keeping: [0, 1, 2, 3],
        keys: Array(repeating: identity, count: configuration.layers[index].queryHeads), lengthening: 1,
        contextGram: statistics.layer(index).contextGram, outputMoments: statistics.moments[index].attention,
        damping: damping)
    }
    let before = try model.layer(0)[.value].weight
    #expect(try distance(turned.layer(0)[.value].weight, before) > 0.01)
    #expect(try distance(hidden(turned, windows), hidden(model, windows)) < 2e-3)
  }

  @Test(arguments: fixtures, [2, 4, 6]) func narrowerHeadsHaveTheShapesAndFrequencies(fixture: Fixture, dimension: Int)
    throws
  {
    let model = try fixture.model()
    let windows = windows(model)
    let heads = try NarrowedHeads(
      of: model, dimension: dimension, windows: windows, statistics: DifferentiatedStatistics(model, windows),
      damping: 0.01)
    let (network, whole) = (heads.network.configuration, model.configuration)
    #expect(network.headDimension == dimension && network.layers == whole.layers)
    #expect(heads.pairs.count == dimension / 2 && heads.pairs == heads.pairs.sorted())
    let (found, before) = (
      network.rotary.frequencies(headDimension: dimension), whole.rotary.frequencies(headDimension: 8)
    )
    for (frequency, pair) in zip(found, heads.pairs) { #expect(abs(frequency - before[pair]) <= before[pair].ulp) }
    for (index, shape) in whole.layers.enumerated() {
      let layer = try heads.network.layer(index)
      for part in LayerPart.projections where layer[part].weight.count > 0 {
        let expected = part.dimensions(in: network, shape)
        #expect([layer[part].outputs, layer[part].inputs] == expected, "\(part)")
        #expect((layer[part].bias?.count ?? expected[0]) == expected[0])
      }
    }
    #expect(try hidden(heads.network, windows).elements.allSatisfy(\.isFinite))
  }

  /// What is chosen and fitted comes nearer to the model than the same number of first pairs and first dimensions.
  @Test(arguments: fixtures, [4, 6]) func isBetterThanCutting(fixture: Fixture, dimension: Int) throws {
    let model = try fixture.model()
    let (windows, others) = (windows(model, 80), windows(model, 20, seed: 9))
    let heads = try NarrowedHeads(
      of: model, dimension: dimension, windows: windows, statistics: DifferentiatedStatistics(model, windows),
      damping: 0.01)
    let whole = model.configuration
    let factor = whole.scoreScale / whole.keepingPairs(heads.pairs).scoreScale
    let places = heads.pairs + heads.pairs.map { $0 + 4 }
    let cut = Subnet(of: model, configuration: whole.keepingPairs(heads.pairs)) { index in
      var layer = try model.layer(index)
      func rows(_ part: LayerPart, _ kept: [Int], _ factor: Float = 1) -> Linear {
        let order = (0..<layer[part].outputs / 8).flatMap { head in kept.map { head * 8 + $0 } }
        let weight = layer[part].weight.gatherRows(order)
        Kernels.scale(weight.pointer, by: factor, count: weight.count)
        return Linear(weight: weight, bias: layer[part].bias.map { bias in order.map { bias[$0] * factor } })
      }
      let first = Array(0..<dimension)
      let columns = (0..<layer[.output].inputs / 8).flatMap { head in first.map { head * 8 + $0 } }
      (layer[.query], layer[.key], layer[.value]) = (
        rows(.query, places, factor), rows(.key, places), rows(.value, first)
      )
      layer[.output].weight = layer[.output].weight.gatherColumns(columns)
      return layer
    }
    let dense = try hidden(model, others)
    let (fitted, plain) = (
      squaredDistance(try hidden(heads.network, others), dense), squaredDistance(try hidden(cut, others), dense)
    )
    #expect(fitted < plain, "\(fitted), \(plain)")
  }

  /// A head that attends to one token has nearly the same context everywhere. Rounded to single precision, such moments have
  /// eigenvalues below zero.
  @Test func nearlyConstantContextsAreNoError() throws {
    let (hidden, heads, dimension, tokens) = (16, 3, 64, 1024)
    func random(_ rows: Int, _ columns: Int, _ seed: UInt64) -> Linear {
      Linear(weight: Matrix<Float>.random(rows, columns, seed: seed))
    }
    let weights = LayerWeights([
      .query: random(heads * dimension, hidden, 1), .key: random(dimension, hidden, 2),
      .value: random(dimension, hidden, 3), .output: random(hidden, heads * dimension, 4),
    ])
    func moments(_ order: Int, seed: UInt64) -> Matrix<Float> {
      let samples = Matrix<Float>.random(tokens, order, seed: seed)
      Kernels.scale(samples.pointer, by: 1e-4, count: samples.count)
      let constant = Matrix<Float>.random(1, order, seed: seed + 1)
      for i in 0..<tokens { Kernels.add(constant.pointer, to: samples.row(i), count: order) }
      let result = Matrix<Float>(rows: order, columns: order)
      multiply(samples, samples, transposingA: true, into: result)
      return result
    }
    let layer = try NarrowedLayer(weights: weights, dimension: dimension, engine: CPUEngine()).narrowed(
      keeping: Array(0..<24), keys: (0..<heads).map { moments(dimension, seed: UInt64(10 + 2 * $0)) }, lengthening: 1,
      contextGram: moments(heads * dimension, seed: 20), outputMoments: moments(hidden, seed: 30), damping: 0.1)
    let isFinite = layer.elements.allSatisfy(\.isFinite)
    #expect(isFinite)
  }

  @Test func impossibleDimensionsAreRefused() throws {
    let model = try Fixture.mistralGQA.model()
    for dimension in [0, -2, 3, 10] {
      #expect(throws: ReformationError.headDimension(wanted: dimension, whole: 8)) {
        try NarrowedHeads<LanguageModel>.check(model.configuration, dimension: dimension)
      }
    }
    for fixture in [Fixture.qwen3Odd, .gemma2Caps, .phi3Partial, .smollm3Still, .olmo2Norms, .glmPartial, .gptossSinks]
    {
      let configuration = try fixture.model().configuration
      let objection = try #require(configuration.narrowHeadsObjection)
      #expect(
        throws: ReformationError.headsStay(family: configuration.family.name, objection: objection), "\(fixture)"
      ) { try NarrowedHeads<LanguageModel>.check(configuration, dimension: 4) }
    }
  }

  @Test func withoutGradientsThereIsAnError() throws {
    let model = try Fixture.mistralGQA.model()
    let windows = windows(model)
    #expect(throws: ReformationError.noMoments) {
      try NarrowedHeads(
        of: model, dimension: 4, windows: windows, statistics: GatheredStatistics(model, windows, name: "set"),
        damping: 0.1)
    }
  }
}
