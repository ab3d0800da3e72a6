import Foundation
import Testing

@testable import Tokenizers

/// The files of `make_fixtures.py`: tokenizers, texts, and the results of the reference implementation.
enum Fixture {
  static let names = ["gpt2", "gpt2-prefix-space", "llama3", "qwen2", "smollm", "llama2", "metaspace"]

  struct Expectations: Decodable {
    struct Case: Decodable {
      /// The ids of the text of the same place in `texts.json`.
      var ids: [Int32]
      /// The text to which they decode, if it is another one.
      var decoded: String?
      /// The ids with special tokens taken for text, where they are others.
      var plain: [Int32]?
    }
    struct Decoding: Decodable {
      var ids: [Int32]
      var all: String
      var plain: String
    }
    var cases: [Case]
    /// The ids of "the river" with special tokens around it.
    var wrapped: [Int32]
    var decodings: [Decoding]
  }

  struct LlamaVocabulary: Decodable {
    struct Case: Decodable {
      var text: String
      var ids: [Int32]
    }
    var tokens: [String]
    var scores: [Float]
    var types: [Int32]
    var cases: [Case]

    var gguf: GGUFVocabulary {
      var result = GGUFVocabulary(model: "llama", tokens: tokens, scores: scores, tokenTypes: types)
      (result.bosToken, result.eosToken, result.unknownToken) = (1, 2, 0)
      return result
    }
  }

  static func url(_ path: String) throws -> URL {
    try #require(Bundle.module.resourceURL).appendingPathComponent("Fixtures").appendingPathComponent(path)
  }

  static func load<Value: Decodable>(_ path: String, as type: Value.Type = Value.self) throws -> Value {
    try JSONDecoder().decode(Value.self, from: Data(contentsOf: url(path)))
  }

  static func texts() throws -> [String] { try load("texts.json") }

  static func tokenizer(_ name: String) throws -> Tokenizer { try Tokenizer(directory: url(name)) }
}

/// Strings that are the same scalars. (`==` holds canonically equivalent strings equal.)
func isSame(_ left: String, _ right: String) -> Bool { left.utf8.elementsEqual(right.utf8) }

/// A folder that is removed when it goes out of use.
final class TemporaryFolder {
  let url: URL

  init(_ files: [String: Data] = [:]) throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("tokenizers-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    for (name, data) in files { try data.write(to: url.appendingPathComponent(name)) }
  }

  /// The tokenizer of a folder with these files.
  static func tokenizer(_ files: [String: Data]) throws -> Tokenizer {
    let folder = try TemporaryFolder(files)
    return try withExtendedLifetime(folder) { try Tokenizer(directory: folder.url) }
  }

  deinit { try? FileManager.default.removeItem(at: url) }
}
