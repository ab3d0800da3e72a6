import Checkpoints
import Foundation
import LinearAlgebra
import Runtime
import Testing

@testable import LanguageModels

/// A model with the ends of yarn's blend rounded to whole pairs, as llama.cpp rounds them whatever a folder says.
private struct RoundingYarn: Network {
  let network: LanguageModel

  var configuration: ModelConfiguration {
    var result = network.configuration
    for kind in result.block.attention.indices {
      guard case .yarn(var yarn) = result.block.attention[kind].rotary.scaling else { continue }
      yarn.truncates = true
      result.block.attention[kind].rotary.scaling = .yarn(yarn)
    }
    return result
  }
  var embedding: Matrix<Float> { network.embedding }
  var engine: any Engine { network.engine }
  var memory: MemoryPlan { network.memory }
  var finalNorm: [Float] { network.finalNorm }
  var head: Matrix<Float> { network.head }
  func layer(_ index: Int) throws -> LayerWeights { try network.layer(index) }
}

/// Every fixture against what the reference implementation computed with it.
@Suite struct ReferenceTests {
  private func check(_ model: LanguageModel, _ expected: Expected) throws {
    #expect(expected.sequences.count == 3)
    for sequence in expected.sequences {
      let logits = try model.logits(sequence.tokens)
      #expect(sequence.positions.count == sequence.logits.count && !sequence.positions.isEmpty)
      for (position, row) in zip(sequence.positions, sequence.logits) {
        let found = logits.rows(position..<position + 1).elements
        #expect(distance(found, row) <= 1e-4, "logits at \(position) of \(sequence.tokens.count)")
      }
      #expect(sequence.losses.count == sequence.tokens.count - 1)
      let losses = (0..<sequence.tokens.count - 1).map { i in
        Kernels.logSumExp(logits.row(i), count: logits.columns) - logits[i, Int(sequence.tokens[i + 1])]
      }
      if !losses.isEmpty { #expect(distance(losses, sequence.losses) <= 1e-4) }
    }
  }

  private func greedy(_ model: LanguageModel, _ expected: Expected) throws -> [Int32] {
    let full = try Generator.continuations(
      of: [expected.prompt], by: expected.continuation.count, model: model, sampling: .greedy, seed: 0)
    return Array(full[0].dropFirst(expected.prompt.count))
  }

  @Test(arguments: Fixture.allCases)
  func agreesWithTheReference(fixture: Fixture) throws {
    let (model, expected) = (try fixture.model(), try fixture.expected())
    #expect(!model.isGGUF)
    #expect(model.configuration.totalParameters == expected.parameters)
    try check(model, expected)
    #expect(try greedy(model, expected) == expected.continuation)
  }

  @Test(arguments: Fixture.withGGUF)
  func ggufIsTheSameModel(fixture: Fixture) throws {
    let (model, twin, expected) = (try fixture.model(), try LanguageModel(fixture.gguf), try fixture.expected())
    #expect(twin.isGGUF)
    #expect(twin.configuration.layers == model.configuration.layers)
    #expect(twin.configuration.totalParameters == expected.parameters)
    #expect(twin.configuration.tiedEmbeddings == model.configuration.tiedEmbeddings)
    #expect(twin.configuration.contextLength == model.configuration.contextLength)
    #expect(twin.configuration.normEpsilon == model.configuration.normEpsilon)
    #expect(twin.configuration.bosToken == model.configuration.bosToken)
    #expect(twin.configuration.eosTokens.first == model.configuration.eosTokens.first)
    for sequence in expected.sequences {
      let difference = distance(
        try twin.logits(sequence.tokens), try RoundingYarn(network: model).logits(sequence.tokens))
      // Divisors of frequencies in single precision give other last bits than the formula of the configuration.
      #expect(difference <= (fixture == .llama3GQA ? 3e-5 : 1e-5), "\(difference)")
    }
    for index in 0..<model.configuration.layerCount {
      let (a, b) = (try model.layer(index), try twin.layer(index))
      for part in model.configuration.parts(of: model.configuration.layers[index]) {
        #expect(a[part].weight.elements == b[part].weight.elements && a[gain: part] == b[gain: part], "\(part)")
      }
    }
    try check(twin, expected)
    #expect(try greedy(twin, expected) == expected.continuation)
  }

  /// The rope settings of Llama 3.1 in the older spelling give the same model.
  @Test func olderConfigurationIsTheSame() throws {
    let fixture = Fixture.llama3GQA
    let older = try HuggingFaceConfig(fixture.folder.appendingPathComponent("config-rope_scaling.json"))
    #expect(older["rope_scaling"] != nil && older["rope_parameters"] == nil)
    #expect(try ModelConfiguration(huggingFace: older) == fixture.model().configuration)
  }

  @Test(arguments: Fixture.allCases)
  func parametersAreTheSizesOfTheTensors(fixture: Fixture) throws {
    let model = try fixture.model()
    let tensors = try model.checkpoint.tensorNames.map { try model.checkpoint.tensor($0) }
    // A byte of blocks holds two numbers, and their scales are none.
    func count(_ tensor: Tensor) -> Int {
      tensor.type != .u8 ? tensor.count : tensor.name.hasSuffix("_blocks") ? 2 * tensor.count : 0
    }
    let all = tensors.reduce(0) { $0 + count($1) }
    #expect(model.configuration.totalParameters == all)
    let blocks = tensors.filter { $0.name.contains(".layers.") }.reduce(0) { $0 + count($1) }
    #expect(model.configuration.blockParameters == blocks)
    #expect(model.configuration.outerParameters == all - blocks)
  }

  @Test(arguments: Fixture.withTokenizer)
  func tokenizerComesWithTheCheckpoint(fixture: Fixture) throws {
    let model = try fixture.model()
    let tokenizer = try model.tokenizer()
    #expect(tokenizer.vocabularySize == model.configuration.vocabularySize)
    let tokens = tokenizer.encode("The lamp turns.", addSpecialTokens: false)
    #expect(!tokens.isEmpty && tokens.allSatisfy { $0 < 320 })
    if fixture == .llamaMHA || fixture == .llama3GQA {
      #expect(try LanguageModel(fixture.gguf).tokenizer().encode("The lamp turns.", addSpecialTokens: false) == tokens)
    }
  }

  @Test(arguments: Fixture.allCases)
  func naiveTransformerAgreesToo(fixture: Fixture) throws {
    let model = try fixture.model()
    let tokens = Array(try fixture.expected().sequences[1].tokens)
    let naive = try NaiveTransformer(model).logits(tokens)
    let found = try model.logits(tokens)
    #expect(distance(found.elements, naive.flatMap { $0 }) <= 5e-5)
  }
}

extension Kernels {
  /// `log Σ exp(x)`, stable.
  static func logSumExp(_ x: UnsafePointer<Float>, count: Int) -> Float {
    let peak = maximum(x, count: count)
    return peak + Float(Foundation.log(Double(sumExp(x, minus: peak, count: count))))
  }
}
