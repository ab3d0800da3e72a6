import Checkpoints
import Foundation
import Testing

@testable import Tokenizers

/// Every broken input is an error whose one line names the place.
struct BadInputTests {
  private func message(_ json: String) throws -> String {
    let folder = try TemporaryFolder(["tokenizer.json": Data(json.utf8)])
    return message { try Tokenizer(directory: folder.url) }
  }

  private func message(_ body: () throws -> Tokenizer) -> String {
    do {
      _ = try body()
      return "no error"
    } catch {
      return "\(error)"
    }
  }

  private func model(_ members: String) -> String { "{\"model\": {\"type\": \"BPE\", \(members)}}" }

  @Test func missingFile() throws {
    let folder = try TemporaryFolder()
    #expect(message { try Tokenizer(directory: folder.url) }.hasSuffix("tokenizer.json: no such file"))
  }

  @Test(
    arguments: [
      ("", "unexpected end at byte 0"), ("{\"model\": ", "at byte 10"), ("{\"a\" 1}", "':' was expected"),
      ("[1, 2", "',' or ']' was expected"), ("{} x", "text after the end"), ("[01]", "a number begins with 0"),
      ("[\"\\ud800\"]", "surrogate"), ("[\"\\ud800\\u0041\"]", "surrogate"), ("[\"\\x\"]", "unknown escape"),
      ("[\"\u{1}\"]", "control character"), ("\"abc", "unexpected end of a string"), ("[-]", "unexpected character"),
      (String(repeating: "[", count: 200), "nesting deeper"), ("[nul]", "unexpected character"),
    ])
  func brokenJSON(json: String, expected: String) throws {
    let message = try message(json)
    #expect(message.contains("tokenizer.json: not valid JSON") && message.contains(expected), "\(message)")
  }

  @Test func jsonThatIsNotUTF8() throws {
    let folder = try TemporaryFolder(["tokenizer.json": Data([0x22, 0xFF, 0x22])])
    #expect(message { try Tokenizer(directory: folder.url) }.contains("not valid UTF-8"))
  }

  /// As Python takes and writes them.
  @Test func jsonOfPython() throws {
    let value = try JSONValue.parse("\u{FEFF}[NaN, Infinity, -Infinity]", file: "x", dialect: .ordered)
    let numbers = (value.array ?? []).map { $0.double ?? 0 }
    #expect(numbers.count == 3 && numbers[0].isNaN && numbers[1] == .infinity && numbers[2] == -.infinity)
  }

  @Test(
    arguments: [
      ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"), ("<!DOCTYPE html><html>", "HTML"),
      ("\u{1F}", "not valid JSON"), ("PK\u{3}\u{4}", "ZIP"),
    ])
  func filesOfAnotherKind(content: String, expected: String) throws {
    for name in ["tokenizer.json", "tokenizer_config.json", "added_tokens.json"] {
      let folder = try TemporaryFolder(["tokenizer.json": Data("{}".utf8)].merging([name: Data(content.utf8)]) { $1 })
      let message = message { try Tokenizer(directory: folder.url) }
      #expect(message.contains("/\(name)") || name != "tokenizer.json")
      if name == "tokenizer.json" || expected != "not valid JSON" { #expect(message.contains(expected), "\(message)") }
    }
  }

  @Test(arguments: ["tokenizer.model", "vocab.json", "tekken.json"])
  func otherTokenizersAreNamed(name: String) throws {
    let folder = try TemporaryFolder([name: Data("x".utf8)])
    let message = message { try Tokenizer(directory: folder.url) }
    #expect(message.contains("tokenizer.json: no such file; there is \(name)") && message.contains("save_pretrained"))
  }

  /// A step after ByteLevel would see its spelling of bytes.
  @Test func aStepAfterByteLevel() throws {
    let steps = #"[{"type": "ByteLevel", "add_prefix_space": false}, {"type": "Digits", "individual_digits": true}]"#
    let message = try message(
      #"{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "pre_tokenizer": {"type": "Sequence", "pretokenizers": "#
        + steps + "}}")
    #expect(message.contains("unsupported pre-tokenizer with a step after ByteLevel"), "\(message)")
  }

  @Test func jsonEscapes() throws {
    let value = try JSONValue.parse(
      #"["\"\\\/\b\f\n\r\t\u00e9\ud83d\ude42", -1.5e2, 12]"#, file: "x", dialect: .ordered)
    #expect(value.array?.first?.string == "\"\\/\u{8}\u{c}\n\r\t\u{e9}\u{1F642}")
    #expect(value.array?.last?.id == 12)
    #expect(value.array?[1].double == -150)
    #expect(value.compact.contains(#""\"\\/\u0008"#))
  }

  @Test(arguments: ["WordPiece", "Unigram", "WordLevel"])
  func unsupportedModel(type: String) throws {
    let message = try message(#"{"model": {"type": "\#(type)", "vocab": {"a": 0}}}"#)
    #expect(message.hasSuffix("tokenizer.json: unsupported tokenizer model \(type) (supported: BPE)"))
  }

  @Test(
    arguments: [
      (#""vocab": {"a": 0, "b": 2000000000}, "merges": []"#, "one token has id 2000000000, but there are 2"),
      (#""vocab": {"a": 0, "b": 2147483647}, "merges": []"#, "one token has id 2147483647, but there are 2"),
      (#""vocab": {}, "merges": []"#, "it is empty"), (#""vocab": {"a": -1}, "merges": []"#, "expected a token id"),
      (#""vocab": {"a": 0.5}, "merges": []"#, "expected a token id"), (#""vocab": [], "merges": []"#, "model.vocab"),
      (#""vocab": {"a": 0}"#, "model.merges"),
      (#""vocab": {"a": 0, "b": 1}, "merges": ["a b"]"#, "merge 0: \"ab\" is not in the vocabulary"),
      (#""vocab": {"a": 0, "ab": 1}, "merges": [["a", "b"]]"#, "merge 0: \"b\" is not in the vocabulary"),
      (#""vocab": {"a": 0}, "merges": ["a"]"#, "merge 0: expected two tokens"),
      (#""vocab": {"a": 0}, "merges": ["a a a"]"#, "merge 0: expected two tokens"),
      (#""vocab": {"a": 0}, "merges": [["a"]]"#, "merge 0: expected"),
      (#""vocab": {"a": 0}, "merges": [], "unk_token": "u""#, "model.unk_token"),
      (#""vocab": {"a": 0}, "merges": [], "dropout": 0.1"#, "unsupported model.dropout 0.1"),
      (#""vocab": {"a": 0}, "merges": [], "end_of_word_suffix": "</w>""#, "model.end_of_word_suffix \"</w>\""),
    ])
  func badVocabularyAndMerges(members: String, expected: String) throws {
    let message = try message(model(members))
    #expect(message.contains(expected), "\(message)")
  }

  @Test(
    arguments: [
      (#""normalizer": {"type": "NFKD"}"#, "unsupported normalizer NFKD (supported: NFC, Prepend"),
      (#""normalizer": {"type": "Replace", "pattern": {"Regex": "x"}, "content": ""}"#, "Replace with a Regex"),
      (#""normalizer": {"type": "Replace", "pattern": {"String": ""}, "content": ""}"#, "normalizer.pattern.String"),
      (#""normalizer": {"type": "Sequence"}"#, "normalizer.normalizers: expected an array"),
      (#""pre_tokenizer": {"type": "Whitespace"}"#, "unsupported pre-tokenizer Whitespace (supported: ByteLevel"),
      (
        #""pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\d+"}}"#,
        #"Split pattern \d+ (supported: the GPT-2"#
      ),
      (#""pre_tokenizer": {"type": "Split", "pattern": {"String": " "}}"#, "Split without a Regex"),
      (#""pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "x"}"#, "not x"),
      (#""decoder": {"type": "WordPiece"}"#, "unsupported decoder WordPiece"),
      (
        #""post_processor": {"type": "RobertaProcessing", "cls": ["a", 0]}"#, "post_processor.sep: expected a token and"
      ),
      (
        #""post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "s"}}]}"#,
        "special_tokens.s"
      ),
      (#""post_processor": {"type": "TemplateProcessing", "single": []}"#, "a Sequence for the text"),
      (#""added_tokens": [{"id": 1}]"#, "added_tokens[0]"),
    ])
  func badComponents(members: String, expected: String) throws {
    let message = try message(#"{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, \#(members)}"#)
    #expect(message.contains(expected), "\(message)")
  }

  @Test func splitThatDropsItsMatches() throws {
    let expression = WordPattern.gpt2.expression.replacingOccurrences(of: "\\", with: "\\\\")
    let split = #"{"type": "Split", "pattern": {"Regex": "\#(expression)"}, "behavior": "Removed", "invert": false}"#
    let message = try message(
      #"{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "pre_tokenizer": \#(split)}"#)
    #expect(
      message.hasSuffix("unsupported Split behavior Removed (supported: Isolated, Removed inverted)"), "\(message)")
  }

  @Test func badGGUF() {
    func message(_ change: (inout GGUFVocabulary) -> Void) -> String {
      var vocabulary = GGUFVocabulary(model: "gpt2", pre: "gpt-2", tokens: ["a", "b", "ab"], merges: ["a b"])
      change(&vocabulary)
      return self.message { try Tokenizer(gguf: vocabulary) }
    }
    #expect(message { _ in } == "no error")
    #expect(message { $0.model = "bert" }.contains("unsupported tokenizer.ggml.model bert (supported: gpt2, llama)"))
    #expect(message { $0.pre = "tekken" }.contains("unsupported tokenizer.ggml.pre tekken"))
    #expect(message { $0.tokens = [] }.contains("it is empty"))
    #expect(message { $0.tokens[1] = "a" }.contains("token \"a\" has the ids 0 and 1"))
    #expect(message { $0.tokenTypes = [1] }.contains("3 tokens, but 1 token types"))
    #expect(message { $0.merges = [] }.contains("tokenizer.ggml.merges"))
    #expect(message { $0.merges = ["a c"] }.contains("merge 0: \"c\" is not in the vocabulary"))
    #expect(message { $0.merges = ["ab"] }.contains("merge 0: expected two tokens"))
    #expect(message { $0.addEOS = true }.contains("tokenizer.ggml.eos_token_id"))
    #expect(
      message {
        $0.model = "llama"
        $0.scores = [0]
      }.contains("3 tokens, but 1 scores"))
    #expect(
      message {
        $0.model = "llama"
        $0.scores = [0, .nan, 1]
      }.contains("the score of token 1 is not a number"))
  }
}
