import Foundation
import Testing

@testable import Tokenizers

/// From Hugging Face to GGUF and back.
struct ConversionTests {
  /// Texts without the added tokens whose options GGUF cannot state.
  private func texts() throws -> [String] {
    try Fixture.texts().filter { text in
      !["<mask>", "keyword", "call>", "y"].contains { text.contains($0) }
    }
  }

  @Test(arguments: ["gpt2", "llama3", "qwen2", "smollm", "llama2"])
  func ggufVocabularyGivesTheSameIds(name: String) throws {
    let original = try Fixture.tokenizer(name)
    let vocabulary = try original.ggufVocabulary()
    let copy = try Tokenizer(gguf: vocabulary)
    #expect(copy.prefix == original.prefix)
    #expect(try copy.ggufVocabulary() == vocabulary)
    for text in try texts() {
      let ids = original.encode(text, addSpecialTokens: true)
      #expect(copy.encode(text, addSpecialTokens: true) == ids, "\(text.debugDescription)")
      #expect(isSame(copy.decode(ids, skipSpecialTokens: true), original.decode(ids, skipSpecialTokens: true)))
    }
  }

  @Test(arguments: ["gpt2", "llama3", "qwen2", "smollm", "llama2"])
  func filesWrittenFromGGUFReadBackTheSame(name: String) throws {
    var vocabulary = try Fixture.tokenizer(name).ggufVocabulary()
    vocabulary.chatTemplate = "{{ messages }}"
    vocabulary.eosToken = 1
    let tokenizer = try Tokenizer(gguf: vocabulary)
    let folder = try TemporaryFolder(tokenizer.huggingFaceFiles())
    let copy = try Tokenizer(directory: folder.url)
    #expect(copy.canonicalBytes() == tokenizer.canonicalBytes())
    #expect(copy.chatTemplate == "{{ messages }}")
    #expect(copy.eosToken == 1)
    #expect(copy.bosToken == tokenizer.bosToken)
    #expect(copy.prefix == tokenizer.prefix)
    for text in try texts() {
      #expect(copy.encode(text, addSpecialTokens: true) == tokenizer.encode(text, addSpecialTokens: true))
    }
  }

  @Test func filesReadFromAFolderStayAsTheyWere() throws {
    let url = try Fixture.url("llama3")
    let files = try Tokenizer(directory: url).huggingFaceFiles()
    #expect(files == ["tokenizer.json": try Data(contentsOf: url.appendingPathComponent("tokenizer.json"))])
  }

  @Test func ggufFieldsAreThoseOfLlamaCpp() throws {
    let llama3 = try Fixture.tokenizer("llama3").ggufVocabulary()
    #expect(llama3.model == "gpt2" && llama3.pre == "llama-bpe" && llama3.addBOS == true && llama3.scores == nil)
    #expect(llama3.tokenTypes?[0] == 3 && llama3.tokenTypes?[5] == 1)
    #expect(llama3.tokenTypes?.last == 4)
    #expect(try Fixture.tokenizer("qwen2").ggufVocabulary().pre == "qwen2")
    #expect(try Fixture.tokenizer("smollm").ggufVocabulary().pre == "smollm")
    #expect(try Fixture.tokenizer("gpt2").ggufVocabulary().pre == "gpt-2")
    let llama2 = try Fixture.tokenizer("llama2").ggufVocabulary()
    #expect(llama2.model == "llama" && llama2.addSpacePrefix == true && llama2.merges.isEmpty)
    #expect(llama2.tokenTypes?.prefix(4) == [2, 3, 3, 6])
    #expect(llama2.scores?.count == llama2.tokens.count)
  }

  @Test func paddingAddsUnusedTokens() throws {
    let vocabulary = try Fixture.tokenizer("llama2").ggufVocabulary()
    let padded = try vocabulary.fitted(to: vocabulary.tokens.count + 2)
    #expect(padded.tokens.suffix(2) == ["[PAD\(vocabulary.tokens.count)]", "[PAD\(vocabulary.tokens.count + 1)]"])
    #expect(padded.tokenTypes?.suffix(2) == [5, 5])
    #expect(padded.scores?.count == padded.tokens.count)
    #expect(try vocabulary.fitted(to: vocabulary.tokens.count) == vocabulary)
    let text = "the little river [PAD1]"
    #expect(
      try Tokenizer(gguf: padded).encode(text, addSpecialTokens: true)
        == Tokenizer(gguf: vocabulary).encode(text, addSpecialTokens: true))
  }

  @Test func whatGGUFCannotStateIsAnError() throws {
    let tokenizer = try Fixture.tokenizer("gpt2-prefix-space")
    #expect(throws: TokenizerError.self) { try tokenizer.ggufVocabulary() }
  }

  @Test func canonicalBytesDistinguishTokenizers() throws {
    let bytes = try Set(Fixture.names.map { try Fixture.tokenizer($0).canonicalBytes() })
    #expect(bytes.count == Fixture.names.count)
  }
}
