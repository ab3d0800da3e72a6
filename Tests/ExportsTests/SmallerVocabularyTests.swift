import Checkpoints
import Foundation
import LanguageModels
import Testing
import Tokenizers

@testable import Exports

/// Exports with fewer tokens.
struct SmallerVocabularyTests {
  private static let text = "The keeper of the lighthouse ran to the river."

  private func reduced(_ parent: LanguageModel, _ text: String = text) throws -> ReducedVocabulary {
    let tokenizer = try parent.tokenizer()
    var choice = TokenChoice(tokenizer, rows: parent.configuration.vocabularySize, needed: try parent.namedTokens())
    choice.count(tokenizer.encode(text, addSpecialTokens: false))
    return try ReducedVocabulary(of: parent, keeping: choice.kept())
  }

  @Test(arguments: ["llama-mha", "llama3-gqa", "qwen2-bias", "qwen3-tied", "gemma2-caps"])
  func logitsOfKeptTokensAreTheParents(name: String) throws {
    let parent = try Fixtures.parent(name)
    let vocabulary = try reduced(parent)
    let network = ReducedNetwork(parent, vocabulary.kept)
    let tokens = try parent.tokenizer().encode(Self.text, addSpecialTokens: true)
    let new = vocabulary.tokenizer.encode(Self.text, addSpecialTokens: true)
    #expect(new == tokens.compactMap { vocabulary.kept.newId(of: $0) } && new.count == tokens.count)
    let (expected, found) = (try logits(parent, tokens), try logits(network, new))
    #expect(found.columns == network.configuration.vocabularySize && found.columns < expected.columns)
    for position in tokens.indices {
      for column in 0..<found.columns {
        #expect(found.row(position)[column] == expected.row(position)[Int(vocabulary.kept.oldIds[column])])
      }
    }
  }

  @Test(arguments: ["llama-mha", "llama3-gqa", "qwen3-tied", "gemma3-local"], [false, true])
  func bothFormatsOpenAndEncodeAlike(name: String, fromGGUF: Bool) throws {
    let parent = try Fixtures.parent(name, gguf: fromGGUF)
    let vocabulary = try reduced(parent)
    let network = ReducedNetwork(Fixtures.subnet(of: parent, uniform: true), vocabulary.kept)
    let folder = try TemporaryFolder()
    for format in ExportFormat.allCases {
      let url = folder.url.appendingPathComponent(format == .gguf ? "out.gguf" : "out")
      var options = ExportOptions(format: format, type: .f32)
      options.vocabulary = vocabulary
      let result = try Exporter.export(
        Fixtures.subnet(of: parent, uniform: true), parent: parent, record: Fixtures.record, to: url, options: options)
      #expect(result.verification.relativeRMS < 1e-5)
      let model = try LanguageModel(url)
      let rows = vocabulary.kept.oldIds.count { Int($0) < parent.configuration.vocabularySize }
      #expect(model.configuration.vocabularySize == rows)
      #expect(model.configuration.bosToken == parent.configuration.bosToken.flatMap { vocabulary.kept.newId(of: $0) })
      let ends = parent.configuration.eosTokens.compactMap { vocabulary.kept.newId(of: $0) }
      #expect(Set(model.configuration.eosTokens).isSubset(of: ends))
      let (small, large) = (try model.tokenizer(), try parent.tokenizer())
      for text in [Self.text, "Ελληνικά, 你好 and 👩‍👧", "  \n<|end|></s>"] {
        let ids = small.encode(text, addSpecialTokens: true)
        #expect(ids == vocabulary.tokenizer.encode(text, addSpecialTokens: true))
        let (decoded, expected) = (
          small.decode(ids, skipSpecialTokens: true),
          large.decode(large.encode(text, addSpecialTokens: true), skipSpecialTokens: true)
        )
        #expect(decoded.utf8.elementsEqual(expected.utf8))
      }
      let ids = small.encode(Self.text, addSpecialTokens: true)
      #expect(largestDifference(try logits(model, ids), try logits(network, ids)) < 1e-4)
    }
  }

  @Test func idsOfAGenerationAreMapped() throws {
    let kept = KeptTokens(oldIds: [0, 3, 5, 9])
    let config: JSONValue = [
      "bos_token_id": 3, "eos_token_id": [5, 9], "pad_token_id": nil, "temperature": 0.5,
      "suppress_tokens": [1, 5, 9], "bad_words_ids": [[5, 9], [5, 6], [0]],
    ]
    #expect(
      GenerationTokens.mapped(config, kept) == [
        "bos_token_id": 1, "eos_token_id": [2, 3], "pad_token_id": nil, "temperature": 0.5,
        "suppress_tokens": [2, 3], "bad_words_ids": [[2, 3], [0]],
      ])
    #expect(GenerationTokens.needed(by: config) == [3, 5, 9])
  }

  @Test func theCardAndTheConfigurationTell() throws {
    let parent = try Fixtures.parent("llama3-gqa")
    let vocabulary = try reduced(parent)
    let folder = try TemporaryFolder()
    let url = folder.url.appendingPathComponent("out")
    var options = ExportOptions(format: .huggingFace, type: .f32)
    options.vocabulary = vocabulary
    try Exporter.export(parent, parent: parent, record: Fixtures.record, to: url, options: options)
    let card = try String(contentsOf: url.appendingPathComponent("README.md"), encoding: .utf8)
    let (now, before) = (vocabulary.kept.count, parent.configuration.vocabularySize)
    #expect(card.contains("Its vocabulary holds \(now) of the parent's \(before) tokens"))
    #expect(!card.contains("whole groups of attention heads"))
    let config = try JSONValue.read(url.appendingPathComponent("config.json"))
    #expect(config["vocab_size"]?.integer == now)
  }
}
