import Checkpoints
import Foundation
import LanguageModels
import Subnets
import Testing
import Tokenizers

@testable import Exports

/// Bytes that are foretold, beside those of the files.
@Suite struct ShippedSizeTests {
  private func subnet(_ parent: LanguageModel) -> Subnet<LanguageModel> {
    var units = parent.configuration.layers.map(KeptUnits.all)
    units[1] = KeptUnits(groups: [1], channels: Array(0..<300))
    units[2].channels = Array(0..<256)
    return Subnet(of: parent, keeping: units)
  }

  @Test(arguments: ExportFormat.allCases, WeightType.allCases)
  func bytesAreThoseOfTheFile(format: ExportFormat, type: WeightType) throws {
    let folder = try TemporaryFolder()
    let shape = try ModelShape.named("llama-3.2-1b").with(
      layers: 3, channels: 512, heads: 4, kvHeads: 2, vocabulary: 600)
    _ = try SyntheticCheckpoint.write(shape, type: .bf16, seed: 5, to: folder.url.appendingPathComponent("model"))
    let parent = try LanguageModel(folder.url.appendingPathComponent("model"))
    if format == .huggingFace, type.isQuantised {
      #expect(throws: ExportError.unsupportedType(type, format: format)) {
        try ShippedSize(parent, format: format, type: type)
      }
      return
    }
    let size = try ShippedSize(parent, format: format, type: type)
    let place = folder.url.appendingPathComponent("out")
    let subnet = subnet(parent)
    let result = try Exporter.export(
      subnet, parent: parent, record: nil, to: place, options: ExportOptions(format: format, type: type))
    let weights =
      format == .gguf
      ? result.bytes : try Data(contentsOf: place.appendingPathComponent("model.safetensors")).count
    let foretold = try size.bytes(of: subnet.configuration)
    #expect(abs(foretold - weights) < weights / 500, "\(foretold), \(weights)")
    #expect(try size.bytes(of: parent.configuration) > foretold)
  }

  @Test func fewerTokensTakeLess() throws {
    let folder = try TemporaryFolder()
    let parent = try Fixtures.parent("llama3-gqa")
    let choice = try TokenChoice(parent.tokenizer(), rows: parent.configuration.vocabularySize, needed: [])
    let vocabulary = try ReducedVocabulary(of: parent, keeping: choice.kept(atMost: 290))
    let size = try ShippedSize(parent, format: .gguf, type: .q80, vocabulary: vocabulary)
    var options = ExportOptions(format: .gguf, type: .q80)
    options.vocabulary = vocabulary
    let result = try Exporter.export(
      parent, parent: parent, record: nil, to: folder.url.appendingPathComponent("out"), options: options)
    let foretold = try size.bytes(of: parent.configuration.keeping(vocabulary.kept))
    #expect(abs(foretold - result.bytes) < result.bytes / 100)
    let whole = try ShippedSize(parent, format: .gguf, type: .q80).bytes(of: parent.configuration)
    #expect(whole > foretold)
  }
}
