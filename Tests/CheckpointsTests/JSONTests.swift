import Foundation
import Testing

@testable import Checkpoints

@Suite struct JSONTests {
  private func parse(_ text: String) throws -> JSONValue { try JSONValue.parse(text, file: "f") }

  @Test func values() throws {
    #expect(try parse(" null ") == .null)
    #expect(try parse("[true,false]") == [true, false])
    #expect(try parse("-12") == .integer(-12))
    #expect(try parse("1.0") == .number(1))
    #expect(try parse("1e-05") == .number(1e-5))
    #expect(try parse("9223372036854775807") == .integer(.max))
    #expect(try parse("9223372036854775808") == .number(9_223_372_036_854_775_808))
    #expect(try parse(#""a\n\"\\\/\u00e9\ud83d\ude00é""#) == .string("a\n\"\\/é😀é"))
    #expect(try parse(#""\ud83d!""#) == .string("\u{FFFD}!"))
    #expect(try parse(#""\ud83d\u0041""#) == .string("\u{FFFD}A"))
    #expect(try parse(#"{"a":{"b":[1,{}]},"c":[]}"#) == ["a": ["b": [1, [:]]], "c": []])
  }

  @Test(arguments: [
    ("", "unexpected end at byte 0"), ("{\"a\":1,}", "a key was expected at byte 7"),
    ("[1,]", "unexpected character at byte 3"), ("[1 2]", "',' or ']' was expected at byte 3"),
    ("{\"a\" 1}", "':' was expected at byte 5"), ("1 2", "text after the end of the value at byte 2"),
    ("01", "a number begins with 0 at byte 2"), ("1.", "a digit was expected at byte 2"),
    ("-", "unexpected character at byte 1"), ("1e", "a digit was expected at byte 2"),
    ("1e999", "the number 1e999 is out of range at byte 0"), ("nul", "unexpected character at byte 3"),
    ("NaN", "unexpected character at byte 0"), ("\"a", "unexpected end of a string at byte 2"),
    ("\"\u{1}\"", "a control character in a string at byte 1"), ("\"\\x\"", "an unknown escape in a string at byte 3"),
    ("\"\\u12", "four hexadecimal digits were expected at byte 5"),
    ("{\"a\":1,\"a\":2}", "the key 'a' is repeated at byte 7"),
    ("// x", "unexpected character at byte 0"),
  ])
  func whatIsNotJSON(text: String, problem: String) {
    #expect(message { _ = try parse(text) } == "f: not valid JSON: \(problem)")
  }

  @Test func invalidUTF8IsRefused() {
    let bytes: [UInt8] = [0x22, 0xC3, 0x28, 0x22]
    let text = bytes.withUnsafeBytes { bytes in message { _ = try JSONValue.parse(bytes, file: "f") } }
    #expect(text == "f: not valid JSON: a string is not valid UTF-8 at byte 1")
  }

  @Test func writtenTextIsDeterministicAndReadBack() throws {
    let value: JSONValue = [
      "b": [1, 2.0, 1e-5, 500000.0, nil, true], "a": ["quote": "\"\\\n\u{1}é😀"], "empty": [:], "none": [],
    ]
    let expected = """
      {
        "a": {
          "quote": "\\"\\\\\\n\\u0001é😀"
        },
        "b": [
          1,
          2.0,
          1e-05,
          500000.0,
          null,
          true
        ],
        "empty": {},
        "none": []
      }
      """
    #expect(value.text() == expected)
    #expect(try parse(expected) == value)
    #expect(try parse(value.text(indented: false)) == value)
    #expect(value["b"]?.array?.count == 6)
    #expect((value["a"] as JSONValue?)?.text(indented: false) == "{\"quote\": \"\\\"\\\\\\n\\u0001é😀\"}")
  }

  @Test func configuration() throws {
    let config = try HuggingFaceConfig(directory: fixture("single"))
    #expect(try config.string("model_type") == "llama")
    #expect(try config.integer("hidden_size") == 64)
    #expect(try config.double("rms_norm_eps") == 1e-5)
    #expect(try config.double("hidden_size") == 64)
    #expect(try config.integer("rope_theta") == 500_000)
    #expect(try config.boolIfPresent("tie_word_embeddings") == false)
    #expect(try config.stringsIfPresent("architectures") == ["LlamaForCausalLM"])
    #expect(try config.integersIfPresent("eos_token_id") == [1, 2])
    #expect(try config.integerIfPresent("sliding_window") == nil)
    #expect(!config.contains("sliding_window"))
    #expect(try config.section("rope_scaling").double("factor") == 8)
    #expect(try JSONValue.parse(config.json.text(), file: "again") == config.json)
  }

  @Test func configurationErrors() throws {
    let config = try HuggingFaceConfig(["a": "text", "s": ["t": [1, "x"]], "n": nil], file: "config.json")
    #expect(message { _ = try config.integer("b") } == "config.json: the key 'b' is missing")
    #expect(message { _ = try config.integer("n") } == "config.json: the key 'n' is missing")
    #expect(
      message { _ = try config.integer("a") }
        == "config.json: the key 'a' should be an integer but is the string \"text\"")
    #expect(
      message { _ = try config.section("s").integersIfPresent("t") }
        == "config.json: the key 's.t[1]' should be an integer but is the string \"x\"")
    #expect(
      message { _ = try config.section("s").string("u") } == "config.json: the key 's.u' is missing")
    #expect(
      message { _ = try HuggingFaceConfig([1], file: "config.json") }
        == "config.json: it holds an array of 1, not an object")
  }
}
