import Foundation
import LinearAlgebra
import Runtime
import Testing

@testable import Calibration
@testable import Importance
@testable import LanguageModels

/// Every score on layers of every family, with the statistics and gradients that they really have.
@Suite struct FamilyScoreTests {
  static let behindNorms = ["gemma2-caps", "gemma3-local", "gemma3-scaled", "olmo2-norms", "glm4-norms"]
  static let families =
    behindNorms + [
      "llama3-gqa", "qwen3-odd", "smollm3-still", "phi3-partial", "granite-tied", "ministral-mixed", "glm-partial",
    ]

  private func model(_ name: String) throws -> LanguageModel {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    return try LanguageModel(tests.appendingPathComponent("Fixtures/models/\(name)"))
  }

  /// The layers as each scalar's scores see them.
  private func layers(_ network: some Network) throws -> [BackwardPass.Scalar: [ScoredLayer]] {
    let configuration = network.configuration
    var random = SeededGenerator(seed: 3)
    let windows = TokenWindows(
      length: 20, tokens: (0..<400).map { _ in Int32(random.next() % UInt64(configuration.vocabularySize)) })
    var statistics: [LayerStatistics] = []
    try StatisticsPass.run(network, on: windows) { statistics.append($1) }
    var result: [BackwardPass.Scalar: [ScoredLayer]] = [:]
    for scalar in BackwardPass.Scalar.allCases {
      var saliencies: [Int: LayerSaliencies] = [:]
      try BackwardPass(windows).run(network, of: scalar, parts: GradientStore.parts(of: scalar)) {
        saliencies[$0.index] = LayerSaliencies($0)
      }
      result[scalar] = try configuration.layers.enumerated().map { index, shape in
        ScoredLayer(
          index: index, shape: shape, headDimension: configuration.headDimension, weights: try network.layer(index),
          statistics: statistics[index], saliencies: saliencies[index])
      }
    }
    return result
  }

  @Test(arguments: families) func everyScoreHasAValueForEveryUnit(name: String) throws {
    let layers = try layers(try model(name))
    for score in ImportanceRegistry.all {
      for layer in try #require(layers[score.gradients ?? .loss]) {
        let scores = try score.finiteScores(of: layer)
        #expect(scores.groups.count == layer.shape.kvHeads && scores.channels.count == layer.shape.mlpChannels)
        #expect(Set(scores.channels).count > layer.shape.mlpChannels / 2, "\(score.name)")
      }
    }
    let first = try #require(layers[.loss]?.first)
    let order = try QueryHeads.order(first)
    #expect(order.map { $0.sorted() } == order.map { _ in Array(0..<first.shape.queriesPerGroup) })
  }

  /// A norm behind a projection takes the projection's scale away. A network with larger ones computes the same, and its
  /// units are worth what they were.
  @Test(arguments: behindNorms) func scaleBehindANormIsNoImportance(name: String) throws {
    let model = try model(name)
    let (plain, scaled) = (try layers(model), try layers(Scaled(whole: model, factor: 8)))
    for score in ImportanceRegistry.all where !["magnitude-l1", "magnitude-l2", "random"].contains(score.name) {
      let scalar = score.gradients ?? .loss
      for (one, other) in zip(try #require(plain[scalar]), try #require(scaled[scalar])) {
        let (expected, found) = (try score.scores(of: one), try score.scores(of: other))
        for (a, b) in [(expected.groups, found.groups), (expected.channels, found.channels)] {
          let largest = a.map(abs).max() ?? 0
          #expect(zip(a, b).allSatisfy { abs($0 - $1) <= 0.01 * largest }, "\(score.name), layer \(one.index)")
        }
      }
    }
  }
}

/// A network whose output and down projections are multiplied by a factor.
private struct Scaled: Network {
  let whole: LanguageModel
  let factor: Float

  var configuration: ModelConfiguration { whole.configuration }
  var embedding: Matrix<Float> { whole.embedding }
  var engine: any Engine { whole.engine }
  var memory: MemoryPlan { whole.memory }
  var finalNorm: [Float] { whole.finalNorm }
  var head: Matrix<Float> { whole.head }

  func layer(_ index: Int) throws -> LayerWeights {
    try whole.layer(index).mapProjections { part, linear in
      guard part.writesToStream else { return linear }
      let weight = linear.weight.copy()
      Kernels.scale(weight.pointer, by: factor, count: weight.count)
      return Linear(weight: weight, bias: linear.bias)
    }
  }
}
