import Foundation
import Testing

@testable import Tokenizers

/// GGUF vocabularies that leave something out or say it in another way, by the ids that llama.cpp gives
/// (`make_gguf_fixtures.py`).
struct GGUFVariantTests {
  struct Recorded: Decodable {
    struct Variant: Decodable, CustomTestStringConvertible {
      var name: String
      var change: Change
      /// A list for each text, with what stands around it.
      var ids: [[Int32]]
      var testDescription: String { name }
    }
    /// The changes of the fixture's vocabulary.
    struct Change: Decodable {
      var model: String
      var pre: String?
      var addBOS: Bool?
      var addEOS: Bool?
      var bosToken: Int32?
      var eosToken: Int32?
      var addSpacePrefix: Bool?
      /// By the index of the token.
      var types: [String: Int32]
      var tokens: [String: String]
      /// Indices of merges that come again at the end.
      var merges: [Int]
      var hasTypes: Bool
      var hasScores: Bool

      enum CodingKeys: CodingKey {
        case model, pre, addBOS, addEOS, bosToken, eosToken, addSpacePrefix, types, tokens, merges, scores
      }

      init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        model = try values.decode(String.self, forKey: .model)
        pre = try values.decodeIfPresent(String.self, forKey: .pre)
        addBOS = try values.decodeIfPresent(Bool.self, forKey: .addBOS)
        addEOS = try values.decodeIfPresent(Bool.self, forKey: .addEOS)
        bosToken = try values.decodeIfPresent(Int32.self, forKey: .bosToken)
        eosToken = try values.decodeIfPresent(Int32.self, forKey: .eosToken)
        addSpacePrefix = try values.decodeIfPresent(Bool.self, forKey: .addSpacePrefix)
        types = try values.decodeIfPresent([String: Int32].self, forKey: .types) ?? [:]
        tokens = try values.decodeIfPresent([String: String].self, forKey: .tokens) ?? [:]
        merges = try values.decodeIfPresent([Int].self, forKey: .merges) ?? []
        hasTypes = try !values.contains(.types) || !values.decodeNil(forKey: .types)
        hasScores = !values.contains(.scores)
      }
    }
    var texts: [String]
    var variants: [Variant]
  }

  static let recorded = try? Fixture.load("gguf-variants.json", as: Recorded.self)

  private func vocabulary(_ change: Recorded.Change) throws -> GGUFVocabulary {
    var vocabulary: GGUFVocabulary
    if change.model == "gpt2" {
      vocabulary = try Fixture.load("gguf-pre.json", as: GGUFPreTokenizerTests.Recorded.self).vocabulary(
        pre: change.pre ?? "gpt-2")
    } else {
      vocabulary = try Fixture.load("gguf-llama.json", as: Fixture.LlamaVocabulary.self).gguf
    }
    vocabulary.bosToken = change.bosToken
    vocabulary.eosToken = change.eosToken
    vocabulary.unknownToken = nil
    vocabulary.addBOS = change.addBOS
    vocabulary.addEOS = change.addEOS
    vocabulary.addSpacePrefix = change.addSpacePrefix
    for (index, text) in change.tokens { vocabulary.tokens[try #require(Int(index))] = text }
    for (index, type) in change.types { vocabulary.tokenTypes?[try #require(Int(index))] = type }
    vocabulary.merges += change.merges.map { vocabulary.merges[$0] }
    if !change.hasTypes { vocabulary.tokenTypes = nil }
    if !change.hasScores { vocabulary.scores = nil }
    return vocabulary
  }

  @Test(arguments: recorded?.variants ?? [])
  func readsAsLlamaCppDoes(variant: Recorded.Variant) throws {
    let tokenizer = try Tokenizer(gguf: vocabulary(variant.change))
    for (text, ids) in zip(try #require(Self.recorded).texts, variant.ids) {
      #expect(tokenizer.encode(text, addSpecialTokens: true) == ids, "\(text.debugDescription)")
    }
  }

  @Test func thereAreVariants() throws { #expect(try #require(Self.recorded).variants.count > 15) }

  @Test func anIdThatNoTokenHasIsSaid() throws {
    let heard = Heard()
    var vocabulary = GGUFVocabulary(model: "gpt2", pre: "gpt-2", tokens: ["a", "b", "ab"], merges: ["a b"])
    vocabulary.eosToken = 7
    try heard.listen { _ = try Tokenizer(gguf: vocabulary, file: "a.gguf") }
    #expect(heard.lines == ["a.gguf: tokenizer.ggml.eos_token_id is 7, but there are 3 tokens: it is taken as missing"])
  }

  /// For an embedding with fewer rows than there are tokens.
  @Test func tokensWithoutARowAreLeftOut() throws {
    let whole = try Fixture.tokenizer("llama3").ggufVocabulary()
    let count = whole.tokens.count - 20
    let dropped = Set(whole.tokens.suffix(20))
    let fitted = try whole.fitted(to: count)
    #expect(fitted.tokens == Array(whole.tokens.prefix(count)) && fitted.tokenTypes?.count == count)
    #expect(fitted.merges.count < whole.merges.count)
    let (original, copy) = (try Tokenizer(gguf: whole), try Tokenizer(gguf: fitted))
    var compared = 0
    for text in try Fixture.texts() {
      let ids = original.encode(text, addSpecialTokens: true)
      guard ids.allSatisfy({ Int($0) < count }) else { continue }
      // A token that is left out may have been a step to one that is not.
      guard !dropped.contains(where: { text.contains($0) }) else { continue }
      compared += 1
      #expect(copy.encode(text, addSpecialTokens: true) == ids, "\(text.debugDescription)")
    }
    #expect(compared > 50)
  }

  @Test func aTokenBesideEveryTextNeedsARow() throws {
    var vocabulary = GGUFVocabulary(model: "gpt2", tokens: ["a", "b", "ab", "<s>"], merges: ["a b"])
    vocabulary.bosToken = 3
    #expect(try vocabulary.fitted(to: 3).bosToken == nil)
    vocabulary.eosToken = 9
    #expect(try vocabulary.fitted(to: 3).eosToken == nil)
    vocabulary.addBOS = true
    let error = #expect(throws: TokenizerError.self) { try vocabulary.fitted(to: 3) }
    #expect("\(try #require(error))".contains("token 3 (<s>) beside every text, and the embedding has 3 rows"))
  }

  @Test func unusedTokensHaveTextsOfTheirOwn() throws {
    let vocabulary = GGUFVocabulary(model: "gpt2", tokens: ["a", "[PAD3]", "b"], merges: [])
    #expect(try vocabulary.fitted(to: 5).tokens == ["a", "[PAD3]", "b", "[PAD[PAD3]]", "[PAD4]"])
  }
}
