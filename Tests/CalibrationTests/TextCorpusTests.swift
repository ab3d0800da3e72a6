import Foundation
import Testing

@testable import Calibration

@Suite struct TextCorpusTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func argumentsNameSources() {
    #expect(CalibrationSource("self", field: "text") == .model)
    let lines = CalibrationSource("data/web.jsonl", field: "body")
    #expect(lines == .jsonLines(URL(fileURLWithPath: "data/web.jsonl"), field: "body"))
    #expect(lines.name == "web" && lines.url?.lastPathComponent == "web.jsonl")
    let text = CalibrationSource("data/wiki.train.txt", field: "text")
    #expect(text == .text(URL(fileURLWithPath: "data/wiki.train.txt")))
    #expect(text.name == "wiki.train")
    #expect(CalibrationSource.model.name == "self" && CalibrationSource.model.url == nil)
  }

  @Test func readsAPlainText() throws {
    let text = "Zeile eins\nZwei — ünï\u{1F600}\n"
    #expect(try TextCorpus.read(.text(folder.write(text, to: "a.txt"))) == text)
    #expect(try TextCorpus.read(.model) == "")
  }

  @Test func readsJSONLines() throws {
    let lines = #"""
      {"text": "first\nline", "id": 1}

      {"id": 2, "text": "sec\u00f6nd"}
         \#t
      {"text": ""}
      {"text": "last"}
      """#
    for ending in ["\n", "\r\n"] {
      let place = try folder.write(
        lines.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: ending) + ending, to: "a.jsonl"
      )
      #expect(try TextCorpus.read(.jsonLines(place, field: "text")) == "first\nline\n\nsecönd\n\n\n\nlast")
    }
  }

  @Test func otherFieldsMayHoldTheText() throws {
    let place = try folder.write(#"{"text": "no", "body": "yes"}"#, to: "a.jsonl")
    #expect(try TextCorpus.read(.jsonLines(place, field: "body")) == "yes")
  }

  @Test func readsTheFixtures() throws {
    let text = try TextCorpus.read(.text(Fixture.root.appendingPathComponent("text/lighthouse.txt")))
    #expect(text.utf8.count > 1000)
    let notes = Fixture.root.appendingPathComponent("text/notes.jsonl")
    let lines = try TextCorpus.read(.jsonLines(notes, field: "text"))
    #expect(lines.components(separatedBy: "\n\n").count >= 34)
  }

  @Test func badLinesAreNamedByTheirNumber() throws {
    for line in [#"{"txt": "x"}"#, #"{"text": 5}"#, #"{"text": null}"#, "[1]", "plain", #"{"text": "cut"#] {
      let place = try folder.write("{\"text\": \"good\"}\n\n\(line)\n{\"text\": \"good\"}\n", to: "bad.jsonl")
      let error = CalibrationError.badLine(file: place.path, line: 3, field: "text")
      #expect(throws: error) { try TextCorpus.read(.jsonLines(place, field: "text")) }
      #expect(error.description.hasPrefix("\(place.path):3:") && error.description.contains("'text'"))
    }
  }

  @Test func emptyTextsAreErrors() throws {
    let empty = try folder.write("", to: "empty.txt")
    #expect(throws: CalibrationError.emptyText(file: empty.path)) { try TextCorpus.read(.text(empty)) }
    #expect(throws: CalibrationError.emptyText(file: empty.path)) {
      try TextCorpus.read(.jsonLines(empty, field: "text"))
    }
    let blank = try folder.write("\n \n", to: "blank.jsonl")
    #expect(throws: CalibrationError.emptyText(file: blank.path)) {
      try TextCorpus.read(.jsonLines(blank, field: "text"))
    }
  }

  @Test func whatIsNotUTF8IsAnError() throws {
    let place = try folder.write(Data([0x61, 0xFF, 0x62, 0x0A]), to: "latin.txt")
    #expect(throws: CalibrationError.notUTF8(file: place.path)) { try TextCorpus.read(.text(place)) }
    #expect(throws: CalibrationError.notUTF8(file: place.path)) {
      try TextCorpus.read(.jsonLines(place, field: "text"))
    }
  }

  @Test func missingFilesAreErrors() {
    let place = folder.url.appendingPathComponent("nothing.txt")
    #expect(throws: CalibrationError.unreadable(file: place.path, reason: "no such file")) {
      try TextCorpus.read(.text(place))
    }
    #expect(throws: CalibrationError.unreadable(file: folder.url.path, reason: "it cannot be read")) {
      try TextCorpus.read(.text(folder.url))
    }
  }
}
