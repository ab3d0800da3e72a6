import Testing

@testable import Tokenizers

/// Ids and texts against the reference implementations.
struct ReferenceTests {
  @Test(arguments: Fixture.names)
  func encodesAndDecodesAsTheReference(name: String) throws {
    let tokenizer = try Fixture.tokenizer(name)
    let expected: Fixture.Expectations = try Fixture.load("\(name)/expected.json")
    let texts = try Fixture.texts()
    #expect(texts.count == expected.cases.count)
    for (text, expected) in zip(texts, expected.cases) {
      let ids = tokenizer.encode(text, addSpecialTokens: false)
      #expect(ids == expected.ids, "\(text.debugDescription)")
      let decoded = tokenizer.decode(expected.ids, skipSpecialTokens: false)
      #expect(isSame(decoded, expected.decoded ?? text), "\(text.debugDescription)")
      let plain = tokenizer.encode(text, addSpecialTokens: false, parseSpecial: false)
      #expect(plain == expected.plain ?? expected.ids, "\(text.debugDescription)")
    }
    #expect(tokenizer.encode("the river", addSpecialTokens: true) == expected.wrapped)
  }

  @Test(arguments: Fixture.names)
  func decodesAnyIdsAsTheReference(name: String) throws {
    let tokenizer = try Fixture.tokenizer(name)
    let expected: Fixture.Expectations = try Fixture.load("\(name)/expected.json")
    for decoding in expected.decodings {
      #expect(isSame(tokenizer.decode(decoding.ids, skipSpecialTokens: false), decoding.all), "\(decoding.ids)")
      #expect(isSame(tokenizer.decode(decoding.ids, skipSpecialTokens: true), decoding.plain), "\(decoding.ids)")
    }
  }

  @Test func encodesScoresAsSentencePiece() throws {
    let fixture: Fixture.LlamaVocabulary = try Fixture.load("gguf-llama.json")
    let tokenizer = try Tokenizer(gguf: fixture.gguf)
    #expect(tokenizer.prefix == [1] && tokenizer.suffix.isEmpty)
    for expected in fixture.cases {
      let ids = tokenizer.encode(expected.text, addSpecialTokens: false)
      #expect(ids == expected.ids, "\(expected.text.debugDescription)")
      #expect(isSame(tokenizer.decode(ids, skipSpecialTokens: true), expected.text))
    }
  }

  @Test func concatenationOfTextsIsEncodedAtOnce() throws {
    // Long pieces take the same way through the merges as short ones, and the cache changes nothing.
    let tokenizer = try Fixture.tokenizer("smollm")
    let texts = try Fixture.texts().filter { !$0.isEmpty }
    let separated = texts.map { $0 + "<|end|>" }
    let expected = separated.flatMap { tokenizer.encode($0, addSpecialTokens: false) }
    #expect(tokenizer.encode(separated.joined(), addSpecialTokens: false) == expected)
  }
}
