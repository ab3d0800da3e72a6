import Foundation
import Testing

@testable import Tokenizers

/// Folders with odd tokenizers, and what `transformers` makes of them (`make_odd_fixtures.py`).
struct OddTokenizerTests {
  struct Recorded: Decodable {
    struct Case: Decodable, CustomTestStringConvertible {
      var name: String
      var files: [String: String]
      /// The ids of each text, with the tokens around it and without.
      var ids: [[Int32]]
      var plain: [[Int32]]
      /// The text of `ids`, with special tokens and without.
      var all: [String]
      var decoded: [String]
      var named: [String: Int32?]
      var testDescription: String { name }
      var data: [String: Data] { files.mapValues { Data($0.utf8) } }
    }
    var texts: [String]
    var cases: [Case]
    /// Texts of `tokenizer.json` that the library does not open.
    var refused: [String: String]
  }

  static let recorded = try? Fixture.load("odd.json", as: Recorded.self)

  @Test func thereAreCases() throws {
    #expect(try #require(Self.recorded).cases.count > 40)
    #expect(try #require(Self.recorded).refused.count > 12)
  }

  @Test(arguments: recorded?.cases ?? [])
  func readsAsTransformersDoes(odd: Recorded.Case) throws {
    let texts = try #require(Self.recorded).texts
    let tokenizer = try TemporaryFolder.tokenizer(odd.data)
    for (index, text) in texts.enumerated() {
      #expect(tokenizer.encode(text, addSpecialTokens: true) == odd.ids[index], "\(text)")
      #expect(tokenizer.encode(text, addSpecialTokens: false) == odd.plain[index], "\(text)")
      // Two texts of one id are decoded to either by the library, as its hash table has it.
      if odd.name == "an id with two texts" { continue }
      #expect(tokenizer.decode(odd.ids[index], skipSpecialTokens: false) == odd.all[index], "\(text)")
      #expect(tokenizer.decode(odd.ids[index], skipSpecialTokens: true) == odd.decoded[index], "\(text)")
    }
    for (name, id) in [
      ("eos", tokenizer.eosToken), ("pad", tokenizer.paddingToken), ("unk", tokenizer.unknownToken),
    ] {
      // Without a configuration the template and the model still say which tokens these are.
      if let expected = odd.named[name] ?? nil { #expect(id == expected, "\(name)") }
    }
    if let bos = odd.named["bos"] ?? nil { #expect(tokenizer.bosToken == bos) }
  }

  @Test(arguments: recorded?.refused.keys.sorted() ?? [])
  func refusesWhatTheLibraryDoesNotOpen(name: String) throws {
    let text = try #require(Self.recorded?.refused[name])
    #expect(throws: TokenizerError.self) { try TemporaryFolder.tokenizer(["tokenizer.json": Data(text.utf8)]) }
  }

  /// A GGUF vocabulary puts the same tokens around the same texts.
  @Test(arguments: recorded?.cases ?? [])
  func theGGUFVocabularyAgrees(odd: Recorded.Case) throws {
    let tokenizer = try TemporaryFolder.tokenizer(odd.data)
    // With "first", Metaspace puts no space after a special token, which GGUF cannot say: only whole texts compare.
    let texts = try #require(Self.recorded).texts.filter { !$0.contains("<") && !$0.contains("[") && !$0.contains("z") }
    do {
      var vocabulary = GGUFVocabulary(model: "", tokens: [])
      let heard = Heard()
      try heard.listen { vocabulary = try tokenizer.ggufVocabulary() }
      if let words = [
        "the first line of merges.txt": "does not merge", "a merge twice": "merges \"i\" and \"s\" before",
      ][odd.name] {
        #expect(heard.lines.count == 1 && heard.lines[0].contains(words))
        return
      }
      #expect(heard.lines.isEmpty)
      let copy = try Tokenizer(gguf: vocabulary)
      #expect(copy.prefix == tokenizer.prefix && copy.suffix == tokenizer.suffix)
      if vocabulary.tokenTypes?.contains(GGUFVocabulary.TokenType.userDefined) == true { return }
      for text in texts where !text.isEmpty && !text.hasPrefix("▁") {
        #expect(
          copy.encode(text, addSpecialTokens: true) == tokenizer.encode(text, addSpecialTokens: true), "\(text)")
      }
    } catch TokenizerError.notExpressible(let reason) {
      let words = [
        "an id with two texts": "stands for both", "gap that added tokens fill": "stands for both",
        "two tokens before and one after": "puts 2 tokens before", "a special token of two ids": "puts 2 tokens before",
      ]
      let expected = try #require(words[odd.name], "\(reason)")
      #expect(reason.contains(expected))
    }
  }

  struct Continuation: Decodable {
    var prompt: [Int32]
    var tokens: [Int32]
    var text: String
  }

  @Test(arguments: ["llama2", "metaspace", "gpt2", "llama3"])
  func continuationsKeepTheirSpace(name: String) throws {
    let recorded = try #require(Fixture.load("continuations.json", as: [String: [Continuation]].self)[name])
    #expect(recorded.count > 20)
    let tokenizer = try Fixture.tokenizer(name)
    for one in recorded {
      #expect(isSame(tokenizer.continuation(of: one.prompt, by: one.tokens), one.text), "\(one)")
    }
  }

  @Test func bytesThatSpoilThePromptAreLeftOut() throws {
    let tokenizer = try Fixture.tokenizer("llama2")
    let byte = try #require(tokenizer.id(of: "<0xFF>"))
    let prompt = tokenizer.encode("the 🙂", addSpecialTokens: true)
    #expect(
      tokenizer.decode(prompt + [byte], skipSpecialTokens: true) == "the \u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}")
    #expect(tokenizer.continuation(of: prompt, by: [byte]) == "\u{FFFD}")
  }
}
