import Foundation
import Testing

@testable import Tokenizers

/// Tokenizers with fewer tokens.
struct SmallerVocabularyTests {
  static let counted = "The keeper of the lighthouse had 12 lamps, and the river ran below.\n"

  /// Texts of many scripts, most of which no tokenizer of the fixtures has words for.
  static let unseen = [
    "the lighthouse", " two  spaces   three", "\n\n\ttabs and\r\nlines", "1234567890", "naïve façade",
    "Ελληνικά κείμενα",
    "Съешь ещё этих булок", "مرحبا بالعالم", "שלום עולם", "नमस्ते दुनिया", "สวัสดีชาวโลก", "こんにちは、世界", "你好，世界", "안녕하세요",
    "👩‍👩‍👧‍👦 🏳️‍🌈 e\u{301}", "\u{10FFFF}\u{1}\u{7F}\u{85}", "<0x41><0xE2> <unk", "ᚠᛇᚻ𝔘𝔫𝔦", "",
  ]

  private func smaller(_ parent: Tokenizer, _ text: String? = counted, limit: Int? = nil) throws -> (
    tokenizer: Tokenizer, kept: KeptTokens
  ) {
    var choice = TokenChoice(parent, rows: parent.vocabularySize)
    if let text { choice.count(parent.encode(text, addSpecialTokens: false)) }
    let kept = try choice.kept(atMost: limit)
    return (try parent.keeping(kept), kept)
  }

  private static func inGGUF(_ name: String) -> Bool { !["gpt2-prefix-space", "metaspace"].contains(name) }

  /// The tokenizer of a fixture as it is read from a folder and, where GGUF can hold it, from GGUF.
  private func parents(_ name: String) throws -> [Tokenizer] {
    let tokenizer = try Fixture.tokenizer(name)
    return [tokenizer] + (Self.inGGUF(name) ? [try Tokenizer(gguf: tokenizer.ggufVocabulary())] : [])
  }

  @Test(arguments: Fixture.names)
  func everyTextComesBack(name: String) throws {
    for parent in try parents(name) {
      let (tokenizer, kept) = try smaller(parent)
      #expect(kept.count < parent.vocabularySize && tokenizer.vocabularySize == kept.count)
      for text in try Fixture.texts() + Self.unseen {
        let expected = parent.decode(parent.encode(text, addSpecialTokens: false), skipSpecialTokens: false)
        let found = tokenizer.decode(tokenizer.encode(text, addSpecialTokens: false), skipSpecialTokens: false)
        #expect(isSame(found, expected), "\(text.debugDescription)")
      }
    }
  }

  @Test(arguments: Fixture.names)
  func textsOfKeptTokensAreCutAlike(name: String) throws {
    for parent in try parents(name) {
      let texts = try [Self.counted] + Fixture.texts()
      for limit in [nil, parent.vocabularySize - 40] {
        let (tokenizer, kept) = try smaller(parent, limit: limit)
        var alike = 0
        for text in texts {
          let ids = parent.encode(text, addSpecialTokens: true)
          let mapped = ids.compactMap { kept.newId(of: $0) }
          guard mapped.count == ids.count else { continue }
          #expect(tokenizer.encode(text, addSpecialTokens: true) == mapped, "\(text.debugDescription)")
          alike += 1
        }
        #expect(alike > 0)
        #expect(parent.encode(Self.counted, addSpecialTokens: true).allSatisfy { kept.newId(of: $0) != nil })
      }
    }
  }

  /// Whatever the merges of the larger tokenizer make, those of the smaller one make too.
  @Test(arguments: Fixture.names)
  func mergesStillLeadToEveryToken(name: String) throws {
    for parent in try parents(name) {
      let (tokenizer, kept) = try smaller(parent)
      #expect(tokenizer.definition.merges.count < parent.definition.merges.count)
      var merged = 0
      for (new, old) in kept.oldIds.enumerated() {
        let text = parent.definition.tokens[Int(old)]
        let bytes = parent.definition.isByteLevel ? ByteAlphabet.decode(text) ?? [] : Array(text)
        guard let path = parent.encoder.path(of: bytes[...], to: old) else { continue }
        #expect(tokenizer.encoder.path(of: bytes[...], to: Int32(new)) == path.compactMap { kept.newId(of: $0) })
        merged += path.count > 1 ? 1 : 0
      }
      #expect(merged > 5)
    }
  }

  @Test(arguments: Fixture.names)
  func filesAndMetadataSayTheSame(name: String) throws {
    for parent in try parents(name) {
      let (tokenizer, _) = try smaller(parent)
      let folder = try TemporaryFolder(tokenizer.huggingFaceFiles())
      let copy = try Tokenizer(directory: folder.url)
      #expect(copy.canonicalBytes() == tokenizer.canonicalBytes())
      // llama.cpp merges more than a list of merges that is not made from scores.
      guard Self.inGGUF(name) else { continue }
      let vocabulary = try parent.ggufVocabulary()
      let small = try tokenizer.ggufVocabulary()
      #expect((small.model, small.pre) == (vocabulary.model, vocabulary.pre))
      let again = try Tokenizer(gguf: small)
      for text in [Self.counted] + Self.unseen {
        let ids = tokenizer.encode(text, addSpecialTokens: true)
        // GGUF has no keys for NFC.
        if name == "qwen2", text.unicodeScalars.contains("\u{301}") { continue }
        #expect(again.encode(text, addSpecialTokens: true) == ids, "\(text.debugDescription)")
      }
    }
  }

  @Test(arguments: Fixture.names)
  func specialAndAddedTokensStay(name: String) throws {
    for parent in try parents(name) {
      let (tokenizer, kept) = try smaller(parent, nil)
      for token in parent.definition.addedTokens {
        let id = try #require(kept.newId(of: token.id))
        let text = String(decoding: token.content, as: UTF8.self)
        #expect(tokenizer.id(of: text) == id && tokenizer.isSpecial(id) == parent.isSpecial(token.id))
      }
      let named = [(\Tokenizer.bosToken), \.eosToken, \.unknownToken, \.paddingToken]
      for token in named {
        #expect(tokenizer[keyPath: token] == parent[keyPath: token].flatMap { kept.newId(of: $0) })
      }
      #expect(tokenizer.prefix == parent.prefix.compactMap { kept.newId(of: $0) })
    }
  }

  @Test func limitCountsAllTokens() throws {
    let parent = try Fixture.tokenizer("gpt2")
    let needed = TokenChoice(parent, rows: parent.vocabularySize).requiredCount
    #expect(needed >= 256)
    var tokens = 0
    for limit in needed...(needed + 60) {
      let (tokenizer, kept) = try smaller(parent, limit: limit)
      #expect(kept.count <= limit && kept.count >= limit - 3)
      let count = tokenizer.encode(Self.counted, addSpecialTokens: false).count
      #expect(tokens == 0 || count <= tokens)
      tokens = count
    }
    #expect(throws: TokenizerError.tooFewTokens(wanted: needed - 1, needed: needed)) {
      try smaller(parent, limit: needed - 1)
    }
    let whole = try smaller(parent, limit: 10_000)
    for text in try Fixture.texts() {
      let counts = [whole.tokenizer, parent].map { $0.encode(text, addSpecialTokens: false).count }
      #expect(counts[0] == counts[1])
    }
  }

  /// Without a text the tokens stay that were merged first.
  @Test func limitAloneKeepsTheFirstMerges() throws {
    let parent = try Fixture.tokenizer("smollm")
    let needed = TokenChoice(parent, rows: parent.vocabularySize).requiredCount
    let (_, kept) = try smaller(parent, nil, limit: needed + 20)
    let first = Set(parent.definition.merges.sorted { $0.rank < $1.rank }.prefix(20).map(\.result))
    #expect(first.allSatisfy { kept.newId(of: $0) != nil })
  }

  /// Of the tokens that a text does not use, those of its characters come first.
  @Test func limitPrefersTheCharactersOfTheText() throws {
    let parent = try Fixture.tokenizer("smollm")
    let choice = TokenChoice(parent, rows: parent.vocabularySize)
    let limit = choice.requiredCount + 60
    func plain(_ text: String?) throws -> Int {
      try smaller(parent, text, limit: limit).kept.oldIds.count { id in
        parent.definition.text(of: id).unicodeScalars.allSatisfy { "abcdefghijklmnoprst".unicodeScalars.contains($0) }
      }
    }
    #expect(try plain("a b c d e f g h i j k l m n o p r s t") > plain("Ж"))
  }

  @Test func whatTheChatTemplateWritesStays() throws {
    var vocabulary = try Fixture.tokenizer("gpt2").ggufVocabulary()
    let word = try #require(
      Tokenizer(gguf: vocabulary).encode(" lighthouse", addSpecialTokens: false).max { $0 < $1 })
    let text = vocabulary.tokens[Int(word)].replacing("Ġ", with: " ")
    #expect(try smaller(Tokenizer(gguf: vocabulary), nil).kept.newId(of: word) == nil)
    vocabulary.chatTemplate = "{% for m in messages %}{{ '\(text)\\n' + m }}{% endfor %}"
    #expect(try smaller(Tokenizer(gguf: vocabulary), nil).kept.newId(of: word) != nil)
    #expect(ChatTexts.texts(of: #"{{ 'a\n' + "b'c" }}"#).contains("a\n"))
    #expect(ChatTexts.texts(of: #"{{ 'a\n' + "b'c" }}"#).contains("b'c"))
  }

  /// The files of transformers beside `tokenizer.json` name ids, too.
  @Test func otherFilesGetTheNewIds() throws {
    let url = try Fixture.url("qwen2").appendingPathComponent("tokenizer.json")
    let configuration = """
      {"model_max_length": 77, "eos_token": "<|fin|>", "added_tokens_decoder": {
        "900": {"content": "<|fin|>", "special": true}, "901": {"content": "<tool>", "special": false}}}
      """
    let parent = try TemporaryFolder.tokenizer([
      "tokenizer.json": Data(contentsOf: url), "tokenizer_config.json": Data(configuration.utf8),
    ])
    let (tokenizer, kept) = try smaller(parent)
    #expect(tokenizer.eosToken == Int32(kept.count - 2) && tokenizer.id(of: "<tool>") == Int32(kept.count - 1))
    let text = String(decoding: try #require(tokenizer.huggingFaceFiles()["tokenizer_config.json"]), as: UTF8.self)
    #expect(text.contains("\"model_max_length\": 77") && text.contains("\"\(kept.count - 2)\": {"))
    let last = Int32(kept.count - 1)
    #expect(tokenizer.encode("<tool><|fin|>", addSpecialTokens: false) == [last, last - 1])
  }

  /// A token of the model behind the added ones: in the smaller vocabulary it stands before them, as readers expect.
  @Test func gapsInTheIdsClose() throws {
    let data = try Data(contentsOf: Fixture.url("qwen2").appendingPathComponent("tokenizer.json"))
    let text = String(decoding: data, as: UTF8.self)
    #expect(text.components(separatedBy: ":479").count == 2)
    let moved = text.replacing(":479", with: ":490")
    let parent = try TemporaryFolder.tokenizer(["tokenizer.json": Data(moved.utf8)])
    #expect(parent.vocabularySize == 491 && parent.definition.addedOnly.contains { $0 < 490 })
    let (tokenizer, kept) = try smaller(parent, nil, limit: 10_000)
    #expect(kept.count < 491 && kept.newId(of: 490) == kept.oldIds.firstIndex(of: 490).map { Int32($0) })
    #expect(kept.oldIds.suffix(2).allSatisfy { parent.definition.addedOnly.contains($0) })
    for text in try Fixture.texts() {
      let ids = parent.encode(text, addSpecialTokens: true)
      #expect(tokenizer.encode(text, addSpecialTokens: true) == ids.compactMap { kept.newId(of: $0) })
    }
  }

  @Test func tokensWithoutARowStandLast() throws {
    let parent = try Fixture.tokenizer("llama2")
    var choice = TokenChoice(parent, rows: 600)
    choice.count(parent.encode(try Fixture.texts().joined(separator: " "), addSpecialTokens: false))
    let kept = try choice.kept()
    let rows = kept.oldIds.prefix { $0 < 600 }
    #expect(rows.count < kept.count && kept.oldIds.dropFirst(rows.count).allSatisfy { $0 >= 600 })
    #expect(rows.elementsEqual(rows.sorted()))
    #expect(try parent.keeping(kept).vocabularySize == kept.count)
  }
}
