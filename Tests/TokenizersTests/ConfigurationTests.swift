import Foundation
import Testing

@testable import Tokenizers

/// The decisions of `tokenizer_config.json`, `special_tokens_map.json` and `chat_template.jinja`.
struct ConfigurationTests {
  private func tokenizer(_ fixture: String, _ files: [String: String]) throws -> Tokenizer {
    let json = try Data(contentsOf: Fixture.url("\(fixture)/tokenizer.json"))
    let folder = try TemporaryFolder(files.mapValues { Data($0.utf8) }.merging(["tokenizer.json": json]) { $1 })
    return try Tokenizer(directory: folder.url)
  }

  @Test func theTemplateDecidesWithoutAConfiguration() throws {
    let tokenizer = try tokenizer("llama2", [:])
    #expect(tokenizer.prefix == [1] && tokenizer.suffix.isEmpty)
    #expect(tokenizer.bosToken == 1)
    #expect(tokenizer.unknownToken == 0)
    #expect(tokenizer.encode("", addSpecialTokens: true) == [1])
    #expect(tokenizer.encode("", addSpecialTokens: false) == [])
  }

  @Test func theTemplateDecidesBesideAConfiguration() throws {
    let configuration =
      #"{"add_bos_token": false, "add_eos_token": true, "bos_token": "</s>", "eos_token": {"content": "<s>"}}"#
    let tokenizer = try tokenizer("llama2", ["tokenizer_config.json": configuration])
    #expect(tokenizer.prefix == [1] && tokenizer.suffix.isEmpty)
    #expect(tokenizer.bosToken == 2 && tokenizer.eosToken == 1)
    #expect(tokenizer.encode("", addSpecialTokens: true) == [1])
  }

  @Test func theMapNamesTokensThatTheConfigurationDoesNot() throws {
    let tokenizer = try tokenizer(
      "smollm",
      ["tokenizer_config.json": "{}", "special_tokens_map.json": #"{"eos_token": "<|end|>", "pad_token": "<|end|>"}"#])
    #expect(tokenizer.eosToken == 1 && tokenizer.paddingToken == 1 && tokenizer.bosToken == nil)
    #expect(tokenizer.prefix.isEmpty && tokenizer.suffix.isEmpty)
  }

  @Test func findsTheChatTemplate() throws {
    let one = #"{"chat_template": "a"}"#
    let named = #"{"chat_template": [{"name": "tools", "template": "t"}, {"name": "default", "template": "d"}]}"#
    #expect(try tokenizer("smollm", ["tokenizer_config.json": one]).chatTemplate == "a")
    #expect(try tokenizer("smollm", ["tokenizer_config.json": named]).chatTemplate == "d")
    let file = try tokenizer("smollm", ["tokenizer_config.json": one, "chat_template.jinja": "j"])
    #expect(file.chatTemplate == "j")
    #expect(
      Set(try file.huggingFaceFiles().keys) == ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"])
  }

  @Test func tokensAreFoundByTheirBytes() throws {
    // The two spellings of é are canonically equivalent, and two tokens.
    let json = #"""
      {"model": {"type": "BPE", "vocab": {"\u00e9": 0, "e\u0301": 1, "e": 2, "\u0301": 3},
        "merges": [["e", "\u0301"]]}}
      """#
    let folder = try TemporaryFolder(["tokenizer.json": Data(json.utf8)])
    let tokenizer = try Tokenizer(directory: folder.url)
    #expect(tokenizer.vocabularySize == 4)
    #expect(tokenizer.id(of: "\u{e9}") == 0 && tokenizer.id(of: "e\u{301}") == 1)
    #expect(tokenizer.encode("\u{e9}e\u{301}", addSpecialTokens: false) == [0, 1])
    #expect(tokenizer.token(for: 3) == "\u{301}" && tokenizer.token(for: 4) == nil && tokenizer.token(for: -1) == nil)
  }

  @Test func specialTokensAreKnown() throws {
    let tokenizer = try tokenizer("gpt2", [:])
    #expect(tokenizer.isSpecial(0) && !tokenizer.isSpecial(2))
    let keyword = try #require(tokenizer.id(of: "keyword"))
    #expect(!tokenizer.isSpecial(keyword))
  }
}
