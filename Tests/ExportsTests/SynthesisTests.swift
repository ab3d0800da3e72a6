import Checkpoints
import Foundation
import LanguageModels
import Testing

@testable import Exports

@Suite struct SynthesisTests {
  /// The parameters that the models' cards state.
  @Test(arguments: [
    ("smollm2-135m", 134_515_008), ("llama-3.2-1b", 1_235_814_400), ("llama-7b", 6_738_415_616),
    ("mistral-7b", 7_248_023_552), ("qwen2.5-7b", 7_615_616_512), ("llama-3-8b", 8_030_261_248),
    ("llama-13b", 13_015_864_320), ("gemma-3-270m", 268_098_176), ("gemma-3-1b", 999_885_952),
    ("gemma-2-2b", 2_614_341_888), ("qwen2.5-0.5b", 494_032_768), ("qwen3-0.6b", 596_049_920),
    ("olmo-2-1b", 1_484_916_736), ("granite-3.3-2b", 2_533_539_840), ("smollm3-3b", 3_075_098_624),
    ("phi-3-mini", 3_821_079_552), ("phi-4-mini", 3_836_021_760), ("ministral-8b", 8_019_808_256),
    ("glm-4-9b", 9_400_279_040), ("qwen3-30b-a3b", 30_532_122_624), ("gpt-oss-20b", 20_914_757_184),
    ("olmoe-1b-7b", 6_919_161_856),
    ("mixtral-8x7b", 46_702_792_704),
  ])
  func shapesHaveTheParametersOfTheirModels(name: String, parameters: Int) throws {
    #expect(try ModelShape.named(name).configuration.totalParameters == parameters)
  }

  /// A checkpoint of every shape, cut down, opens as a model of its family that runs.
  @Test(arguments: ModelShape.all.map(\.name))
  func everyShapeRunsSmall(name: String) throws {
    let folder = try TemporaryFolder()
    let published = try ModelShape.named(name)
    let first = published.configuration.layers[0]
    let shape = try published.with(layers: 2, channels: 64, heads: first.queriesPerGroup, kvHeads: 1, vocabulary: 300)
    let place = folder.url.appendingPathComponent("model")
    _ = try SyntheticCheckpoint.write(shape, type: .bf16, seed: 3, to: place)
    let model = try LanguageModel(place)
    #expect(model.configuration.block.parts == published.configuration.block.parts)
    #expect(model.configuration.block.attention.count <= published.configuration.block.attention.count)
    let hidden = try ForwardPass(TokenWindows([[1, 2, 3, 4]])).hiddenStates(of: model)
    #expect(hidden.elements.allSatisfy { $0.isFinite && abs($0) < 100 })
  }

  private func small() throws -> ModelShape {
    try ModelShape.named("llama-3.2-1b").with(layers: 2, channels: 96, heads: 4, kvHeads: 2, vocabulary: 300)
  }

  @Test func otherNumbers() throws {
    let configuration = try small().configuration
    #expect(configuration.hiddenSize == 256 && configuration.headDimension == 64 && configuration.layerCount == 2)
    #expect(configuration.layers[1] == LayerShape(queryHeads: 4, kvHeads: 2, mlpChannels: 96))
    // Fewer heads share as many key and value heads as before.
    #expect(try ModelShape.named("llama-3-8b").with(heads: 8).configuration.layers[0].kvHeads == 2)
    let shape = try ModelShape.named("llama-7b")
    #expect(throws: ExportError.self) { try shape.with(layers: 0) }
    #expect(throws: ExportError.self) { try shape.with(heads: 5, kvHeads: 2) }
    #expect(throws: ExportError.self) { try shape.with(vocabulary: 256) }
    #expect(throws: ExportError.self) { try ModelShape.named("gpt-5") }
  }

  @Test(arguments: [ElementType.bf16, .f32])
  func writesAModelThatRuns(type: ElementType) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("synthesis-\(UUID())")
    defer { try? FileManager.default.removeItem(at: folder) }
    let shape = try small()
    let bytes = try SyntheticCheckpoint.write(shape, type: type, seed: 7, to: folder)
    #expect(bytes == shape.configuration.totalParameters * (type == .f32 ? 4 : 2))
    let model = try LanguageModel(folder)
    #expect(model.configuration.layers == shape.configuration.layers)
    #expect(model.configuration.rotary == shape.configuration.rotary)
    let tokenizer = try model.tokenizer()
    let text = "naïve \u{1F600}\n"
    #expect(tokenizer.encode(text, addSpecialTokens: false) == text.utf8.map { Int32($0) })
    #expect(tokenizer.decode(tokenizer.encode(text, addSpecialTokens: false), skipSpecialTokens: true) == text)
    #expect(tokenizer.encode("at the", addSpecialTokens: false) == [0x61, 0x74, 256, 0x68, 0x65])
    let hidden = try ForwardPass(TokenWindows([tokenizer.encode("abcdefgh", addSpecialTokens: false)])).hiddenStates(
      of: model)
    #expect(hidden.elements.allSatisfy { $0.isFinite && abs($0) < 10 })
    // Both formats take it, tokenizer and all.
    let exports = try TemporaryFolder()
    let place = exports.url.appendingPathComponent("model.gguf")
    let result = try Exporter.export(
      model, parent: model, record: [:], to: place,
      options: ExportOptions(format: .gguf, type: type == .f32 ? .f32 : .bf16))
    // Not every frequency of llama3's scaling has a divisor in single precision that gives it again.
    #expect(result.hasTokenizer && result.verification.largestDifference < 1e-5)
    #expect(try LanguageModel(place).tokenizer().encode(text + " to", addSpecialTokens: false).last == 0x6f)
    // Written again it is the same, and with another seed another one.
    let weights = try model.layer(1).down.weight.elements
    _ = try SyntheticCheckpoint.write(shape, type: type, seed: 7, to: folder, replacing: true)
    #expect(try LanguageModel(folder).layer(1).down.weight.elements == weights)
    _ = try SyntheticCheckpoint.write(shape, type: type, seed: 8, to: folder, replacing: true)
    #expect(try LanguageModel(folder).layer(1).down.weight.elements != weights)
    #expect(throws: CheckpointError.self) { try SyntheticCheckpoint.write(shape, type: type, seed: 7, to: folder) }
    let variance = weights.reduce(0) { $0 + $1 * $1 } / Float(weights.count)
    #expect(abs(variance * 96 * 4 - 1) < 0.05)
  }
}
