import Checkpoints
import Foundation
import Testing

@testable import Tokenizers

/// The meanings of the names of `tokenizer.ggml.pre`, by the ids that llama.cpp gives (`make_gguf_fixtures.py`).
struct GGUFPreTokenizerTests {
  struct Recorded: Decodable {
    struct Rule: Decodable {
      /// "" stands for a file without the key.
      var names: [String]
      var addsBOS: Bool
      /// A list for each text.
      var ids: [[Int32]]
    }
    var tokens: [String]
    var types: [Int32]
    var merges: [String]
    var texts: [String]
    var rules: [Rule]

    func vocabulary(pre: String?) -> GGUFVocabulary {
      var result = GGUFVocabulary(model: "gpt2", pre: pre, tokens: tokens, tokenTypes: types, merges: merges)
      result.bosToken = 0
      return result
    }
  }

  private func recorded() throws -> Recorded { try Fixture.load("gguf-pre.json") }

  @Test func everyNameGivesTheIdsOfLlamaCpp() throws {
    let recorded = try recorded()
    var names: Set<String> = []
    for rule in recorded.rules {
      for name in rule.names {
        names.insert(name)
        let tokenizer = try Tokenizer(gguf: recorded.vocabulary(pre: name.isEmpty ? nil : name))
        #expect(tokenizer.prefix == (rule.addsBOS ? [0] : []), "\(name)")
        for (text, ids) in zip(recorded.texts, rule.ids) {
          // Qwen2's own tokenizer composes characters, and so does this one; llama.cpp does not.
          if GGUFPreTokenizer(name: name) == .qwen2, !isSame(text, text.precomposedStringWithCanonicalMapping) {
            continue
          }
          #expect(tokenizer.encode(text, addSpecialTokens: false) == ids, "\(name): \(text.debugDescription)")
        }
      }
    }
    // llama.cpp refuses these two spellings.
    let known = Set(GGUFPreTokenizer.allCases.flatMap(\.names)).subtracting(["gpt2", "llama-3"])
    #expect(names == known.union([""]))
  }

  @Test(arguments: [nil, "", "default"])
  func anUnnamedPreTokenizerIsWarnedOf(pre: String?) throws {
    let recorded = try recorded()
    let heard = Heard()
    try heard.listen { _ = try Tokenizer(gguf: recorded.vocabulary(pre: pre), file: "a.gguf") }
    #expect(heard.lines.count == 1)
    #expect(heard.lines.first?.hasPrefix("a.gguf: tokenizer.ggml.pre") == true)
    #expect(heard.lines.first?.contains(pre == nil ? "is missing" : "is '\(pre ?? "")'") == true)
  }

  @Test func aNamedPreTokenizerIsNotWarnedOf() throws {
    let recorded = try recorded()
    let heard = Heard()
    try heard.listen { _ = try Tokenizer(gguf: recorded.vocabulary(pre: "llama-bpe")) }
    #expect(heard.lines.isEmpty)
  }

  /// The rule goes into the files of a Hugging Face folder, and comes back from there.
  @Test func theUnnamedRuleIsWrittenAsComponents() throws {
    let recorded = try recorded()
    let tokenizer = try Tokenizer(gguf: recorded.vocabulary(pre: nil))
    let copy = try TemporaryFolder.tokenizer(tokenizer.huggingFaceFiles())
    for text in recorded.texts {
      #expect(
        copy.encode(text, addSpecialTokens: true) == tokenizer.encode(text, addSpecialTokens: true),
        "\(text.debugDescription)")
    }
    #expect(try tokenizer.ggufVocabulary().pre == nil)
  }

  /// Where merges do not make every token, ignoring them makes a difference, and GGUF must say which it is.
  @Test func theWrittenNameSaysWhetherMergesAreIgnored() throws {
    let recorded = try recorded()
    for (name, written) in [("llama-bpe", "llama-bpe"), ("smaug-bpe", "smaug-bpe")] {
      let files = try Tokenizer(gguf: recorded.vocabulary(pre: name)).huggingFaceFiles()
      let copy = try TemporaryFolder.tokenizer(files)
      #expect(try copy.ggufVocabulary().pre == written)
    }
    // Without the token that no merge makes, both are the same.
    var plain = recorded.vocabulary(pre: "smaug-bpe")
    let odd = try #require(plain.tokens.firstIndex(of: "Ġlower"))
    plain.tokens[odd] = "<unused>"
    plain.tokenTypes?[odd] = GGUFVocabulary.TokenType.control
    let copy = try TemporaryFolder.tokenizer(Tokenizer(gguf: plain).huggingFaceFiles())
    #expect(try copy.ggufVocabulary().pre == "llama-bpe")
  }
}

/// Remarks that are made meanwhile.
final class Heard {
  private(set) var lines: [String] = []

  func listen(_ body: () throws -> Void) rethrows { lines += try Notices.heard(during: body) }
}
