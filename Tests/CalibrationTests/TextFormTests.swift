import Foundation
import Testing

@testable import Calibration

/// Which texts are JSON, and what becomes of those that are.
@Suite struct TextFormTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func read(_ text: String, name: String = "a.txt", field: String = "text") throws -> String {
    try TextCorpus.read(.file(folder.write(text, to: name), field: field))
  }

  @Test(arguments: [
    "[link](page.html) begins this page.\n", "[1] A footnote, as in [2].\n[2] Another.\n", "[1]\nAuthor\n[2]\nOther\n",
    "{curly} words\n", "{ int x = 0; }\n", "{}\nis an empty set.\n", "{{ template }}\n",
    "\"Where are you?\"\n\"Here.\"\n", "[TODO] write this\n", "[section]\nkey = value\n", "1\n2\n3\n", "null\n",
    "{\"a\": 1} is an object of JSON,\nand this text tells\nof it at length.\n", "[\"quoted\"](page.html) is a link\n",
    "12 {\"text\": \"in a log\"}\n13 {\"text\": \"in a log\"}\n", "[[wiki link]] and text\n", "{\\rtf1 no}\n",
  ])
  func proseStaysText(_ text: String) throws {
    #expect(try read(text) == text)
  }

  @Test(arguments: [
    "{\"text\": \"a\"}\n{\"text\": \"b\"}", "[{\"text\": \"a\"}, {\"text\": \"b\"}]",
    "[\n  {\n    \"text\": \"a\"\n  },\n  {\n    \"text\": \"b\"\n  }\n]\n", "[\"a\", \"b\"]", "[\n\"a\",\n\"b\"]",
    "{\n \"text\": \"a\"\n}\n{\n \"text\": \"b\"\n}\n", "{\"text\":\"a\"}\r{\"text\":\"b\"}\r",
    "\u{FEFF}{\"text\": \"a\", \"x\": NaN}\n{\"text\": \"b\", \"y\": -Infinity, \"z\": 1e999}\n",
    "{\"text\": \"b\", \"text\": \"a\"}\n{\"id\": 1, \"text\": \"b\", \"id\": 99999999999999999999}\n",
    "\n\n  {\"text\": \"a\"}  \n\t\n{\"text\": \"b\"}\n\n",
  ])
  func recordsAreRead(_ text: String) throws {
    #expect(try read(text) == "a\n\nb")
  }

  @Test func stringsAreReadALine() throws {
    #expect(try read("\"a\\nb\"\n\"c\"\n") == "a\nb\n\nc")
    #expect(try read("\"a\"\n\"b\"\n", name: "a.jsonl") == "a\n\nb")
  }

  @Test(arguments: [
    ("text", "{\"text\": \"yes\"}"), ("a.b", "{\"a.b\": \"yes\", \"a\": {\"b\": \"no\"}}"),
    ("a.b", "{\"a\": {\"b\": \"yes\"}}"), ("messages.1.content", "{\"messages\": [{}, {\"content\": \"yes\"}]}"),
    ("a.b.c", "{\"a.b\": {\"c\": \"yes\"}, \"a\": {\"b.c\": \"no\"}}"),
    ("a.b.c", "{\"a.b\": {\"d\": 1}, \"a\": {\"b.c\": \"yes\"}}"), ("0", "{\"0\": \"yes\"}"), ("", "{\"\": \"yes\"}"),
    ("texts.0", "{\"texts\": [\"yes\", \"no\"]}"), (".", "{\"\": {\"\": \"yes\"}}"),
  ])
  func fieldsAreFound(_ field: String, _ record: String) throws {
    #expect(try read(record, field: field) == "yes")
  }

  @Test(arguments: [
    ("{\"body\": \"x\"}", "no field 'text'; its keys are body; there is text in --field body"),
    ("{\"text\": 5}", "the field 'text' is the integer 5, not a string"),
    ("{\"text\": null, \"id\": 1}", "the field 'text' is null, not a string; its keys are id, text"),
    (
      "{\"text\": [\"x\"]}",
      "the field 'text' is an array of 1, not a string; its keys are text; there is text in --field text.0"
    ),
    (
      "{\"messages\": [{\"role\": \"user\", \"content\": \"Good morning\"}]}",
      "no field 'text'; its keys are messages; there is text in --field messages.0.content, messages.0.role"
    ),
    ("[1]", "an array of 1, not an object with the text in 'text'"), ("null", "null, not an object"),
    ("true", "true, not an object"), ("{}", "no field 'text'"),
    ("{\"Text\": \"x\"}", "no field 'text'; its keys are Text; there is text in --field Text"),
  ])
  func recordsWithoutTheTextAreNamedByTheirLine(_ record: String, words: String) throws {
    for (name, text) in [
      ("a.jsonl", "{\"text\": \"good\"}\n\n\(record)\n{\"text\": \"good\"}\n"),
      ("a.txt", "{\"text\": \"good\"}\n\n\(record)\n{\"text\": \"good\"}\n{\"text\": \"good\"}\n"),
    ] {
      let error = #expect(throws: CalibrationError.self) { try read(text, name: name) }
      #expect(error?.description.contains("/\(name):3: \(words)") == true, "\(String(describing: error))")
    }
    let list = #expect(throws: CalibrationError.self) { try read("[{\"text\": \"good\"}, \(record)]") }
    #expect(list?.description.contains("a.txt: element 1 of the list: \(words)") == true, "\(String(describing: list))")
  }

  @Test func aListWithinAnObjectIsNamed() throws {
    for text in ["{\"data\": [{\"text\": \"x\"}]}", "{\n \"data\": [\n  {\"text\": \"x\"}\n ]\n}\n"] {
      for name in ["a.json", "a.txt"] {
        let error = #expect(throws: CalibrationError.self) { try read(text, name: name) }
        #expect(error?.description.contains("'jq -c \".data[]\"' makes JSON lines of the list 'data'") == true)
      }
    }
  }

  /// Damaged JSON is no prose, whatever the file is called.
  @Test(arguments: [
    ("{\"text\": \"a\"}\n{\"text\": \"b\n", 2, 11), ("{\"text\": \"a\",}\n", 1, 13),
    ("{'text': 'a'}\n{'text': 'b'}\n", 1, 1),
    ("[\n{\"text\": \"a\"},\n {\"text\": \"b\"},\n{\"text\": \"c\"", 4, 12), ("[{\"text\": \"a\"}] and more\n", 1, 16),
    ("{\"text\": \"a\"} x\n{\"text\": \"b\"}\n{\"text\": \"c\"}\n", 1, 14), ("  {\"text\": \"a\" \"b\"}\n", 1, 15),
    ("{\n \"text\": \"a\"\n}\n{\n \"text\": b\n}\n", 5, 9), ("{\"text\": \"a\\x\"}\n", 1, 13),
  ])
  func damagedJSONIsNamedByLineAndByte(_ text: String, line: Int, byte: Int) throws {
    for name in ["a.txt", "a.jsonl", "a.json"] {
      let error = #expect(throws: CalibrationError.self, "\(name)") { try read(text, name: name) }
      guard case .badJSON(_, line, byte, _) = error else {
        Issue.record("\(name): \(String(describing: error))")
        continue
      }
    }
  }

  /// Where the name promises JSON, prose is none.
  @Test func namesPromise() throws {
    for name in ["a.jsonl", "a.JSON", "a.ndjson"] {
      let error = #expect(throws: CalibrationError.self) { try read("Once upon a time\nthere was.\n", name: name) }
      guard case .badJSON(_, 1, 0, _) = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
    }
  }

  @Test func documentsAreRecordsOrParagraphs() throws {
    func documents(_ text: String) throws -> [String] {
      try TextDocuments.read(.file(folder.write(text, to: "a"), field: "text"))
    }
    #expect(try documents("[{\"text\": \"a\\n\\nb\"}, {\"text\": \"c\"}]") == ["a\n\nb", "c"])
    #expect(try documents("a\n\nb\nc\n") == ["a", "b\nc"])
  }
}
