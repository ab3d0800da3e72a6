import Checkpoints
import LanguageModels
import Testing

@testable import Tasks

@Suite struct PairEncoderTests {
  /// Borders as the Language Model Evaluation Harness has them, with and without a token that begins a text.
  @Test(arguments: ["llama-mha", "llama3-gqa", "qwen2-bias", "mistral-gqa"])
  func bordersAreTheHarness(_ name: String) throws {
    let encoder = PairEncoder(try Fixtures.model(name).tokenizer(), longest: 1000)
    let cuts = try some(Fixtures.json("boundaries.json")["cuts"]?[name]?.array)
    #expect(cuts.count > 8)
    for cut in cuts {
      let pair = TextPair(try some(cut["context"]?.string), try some(cut["continuation"]?.string))
      let expected = try some(cut["tokens"]?.array).map { try some($0.array).map { Int32(try some($0.integer)) } }
      let found = try encoder.encode(pair, place: "here")
      #expect(found.tokens == expected[0] + expected[1], "\(pair)")
      #expect(found.scored == expected[1].count, "\(pair)")
    }
  }

  @Test func whatIsTooLongLosesItsBeginning() throws {
    let tokenizer = try Fixtures.model("llama3-gqa").tokenizer()
    let pair = TextPair("the lamp was lit by the keeper of the light", " and so on")
    let whole = try PairEncoder(tokenizer, longest: 1000).encode(pair, place: "here")
    let short = try PairEncoder(tokenizer, longest: 9).encode(pair, place: "here")
    #expect(short.tokens == whole.tokens.suffix(10))
    #expect(short.scored == whole.scored)
    #expect(short.input.count == 9)
    let message = problem { _ = try PairEncoder(tokenizer, longest: whole.scored - 1).encode(pair, place: "f:3") }
    #expect(message.hasPrefix("f:3: a continuation of \(whole.scored) tokens is longer"))
  }

  @Test func aContinuationThatAddsNothingIsRefused() throws {
    let encoder = PairEncoder(try Fixtures.model("llama3-gqa").tokenizer(), longest: 100)
    #expect(
      problem { _ = try encoder.encode(TextPair("the lamp", ""), place: "f:3") }.hasPrefix("f:3: the continuation ''"))
    #expect(problem { _ = try encoder.encode(TextPair("", ""), place: "f:3") }.hasPrefix("f:3: "))
  }
}
