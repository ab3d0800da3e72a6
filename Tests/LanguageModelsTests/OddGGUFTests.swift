import Checkpoints
import Foundation
import Testing

@testable import LanguageModels

/// GGUF files in odd but valid forms give the logits that llama.cpp computes with them (`make_odd_gguf.py`).
@Suite struct OddGGUFTests {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/odd-gguf")

  private func file(_ name: String) -> URL { Self.folder.appendingPathComponent("\(name).gguf") }

  private func expected(_ name: String) throws -> (tokens: [Int32], logits: [[Double]]) {
    let all = try JSONValue.read(Self.folder.appendingPathComponent("expected.json"))
    let entry = try #require(all[name])
    let tokens = try #require(entry["tokens"]?.array).compactMap { $0.integer.flatMap { Int32(exactly: $0) } }
    return (tokens, try #require(entry["logits"]?.array).map { ($0.array ?? []).compactMap(\.double) })
  }

  private func expectLogits(of model: LanguageModel, _ name: String) throws {
    let (tokens, logits) = try expected(name)
    let found = try model.logits(tokens)
    // Both compute in single precision; the largest logits are around 25.
    #expect(found.rows == logits.count)
    #expect(distance(found.elements, logits.flatMap { $0 }) <= 5e-5, "\(name)")
  }

  @Test(arguments: ["whole", "biases", "joined", "defaults", "widths", "quantised"])
  func logitsAreThoseOfLlamaCpp(name: String) throws {
    try expectLogits(of: LanguageModel(file(name)), name)
  }

  @Test(arguments: [
    "rope-old-key", "rope-no-type", "rope-none", "rope-freqs-linear", "rope-yarn", "rope-freqs-yarn", "rope-longrope",
  ])
  func ropeSettingsAreThoseOfLlamaCpp(name: String) throws {
    try expectLogits(of: LanguageModel(file(name)), name)
  }

  @Test(arguments: 1...3) func anyPartOpensTheSplitModel(number: Int) throws {
    let model = try LanguageModel(file("split-0000\(number)-of-00003"))
    try expectLogits(of: model, "whole")
    #expect(model.isGGUF)
    #expect((model.checkpoint as? GGUFFile)?.name == "split")
    #expect(try model.fingerprint() == LanguageModel(file("whole")).fingerprint())
  }

  /// The file is there: what is missing in it comes first.
  @Test func aFileWithoutATokenizerSaysSo() throws {
    let model = try LanguageModel(file("whole"))
    do {
      _ = try model.tokenizer()
      Issue.record("a tokenizer is read")
    } catch {
      let path = file("whole").path
      #expect("\(error)" == "\(path): the file holds no tokenizer: its tokenizer.ggml.model is 'no_vocab'")
    }
  }

  /// What a layer lacks of biases that others have is zeros.
  @Test func biasesOfSingleLayersAreRead() throws {
    let model = try LanguageModel(file("biases"))
    let configuration = model.configuration
    #expect(configuration.queryKeyValueBias && configuration.outputBias && configuration.mlpBias)
    let (first, second) = (try model.layer(0), try model.layer(1))
    #expect(first.query.bias == Array(repeating: 0, count: 16) && second.query.bias?.contains(0) == false)
    #expect(first.value.bias?.contains(0) == false && second.value.bias == Array(repeating: 0, count: 8))
    #expect(second.gate.bias == Array(repeating: 0, count: 24) && second.up.bias?.contains(0) == false)
  }
}
