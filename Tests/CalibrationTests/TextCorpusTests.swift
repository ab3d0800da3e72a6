import Foundation
import Testing

@testable import Calibration

@Suite struct TextCorpusTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func read(_ url: URL, field: String = "text") throws -> String {
    try TextCorpus.read(.file(url, field: field))
  }

  @Test func argumentsNameSources() {
    #expect(CalibrationSource("self", field: "text") == .model)
    let lines = CalibrationSource("data/web.jsonl", field: "body")
    #expect(lines == .file(URL(fileURLWithPath: "data/web.jsonl"), field: "body"))
    #expect(CalibrationSource.model.name == "self" && CalibrationSource.model.url == nil)
    for (path, name) in [
      ("data/web.jsonl", "web"), ("data/wiki.train.txt", "wiki.train"), ("a.jsonl.gz", "a"), ("a.TXT.ZST", "a"),
      ("a.gz", "a"), ("a", "a"), ("./self", "self"),
    ] {
      #expect(CalibrationSource(path, field: "text").name == name)
    }
  }

  @Test func readsAPlainText() throws {
    let text = "Zeile eins\nZwei — ünï\u{1F600}\n"
    #expect(try read(folder.write(text, to: "a.txt")) == text)
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
      for name in ["a.jsonl", "a.JSONL", "a.txt", "a.json", "a"] {
        let place = try folder.write(
          lines.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: ending) + ending, to: name)
        #expect(try read(place) == "first\nline\n\nsecönd\n\n\n\nlast")
      }
    }
  }

  @Test func otherFieldsMayHoldTheText() throws {
    let place = try folder.write(#"{"text": "no", "body": "yes"}"#, to: "a.jsonl")
    #expect(try read(place, field: "body") == "yes")
  }

  @Test func readsTheFixtures() throws {
    let text = try read(Fixture.root.appendingPathComponent("text/lighthouse.txt"))
    #expect(text.utf8.count > 1000)
    let lines = try read(Fixture.root.appendingPathComponent("text/notes.jsonl"))
    #expect(lines.components(separatedBy: "\n\n").count >= 34)
  }

  @Test func emptyTextsAreErrors() throws {
    for (content, name) in [
      ("", "empty.txt"), ("", "empty.jsonl"), ("\n \n", "blank.jsonl"), ("[]", "list.json"), ("\u{FEFF}", "mark.txt"),
      ("{\"text\": \"\"}\n", "nothing.jsonl"),
    ] {
      let place = try folder.write(content, to: name)
      #expect(throws: CalibrationError.unusable(place.path, reason: "the text is empty"), "\(name)") { try read(place) }
    }
  }

  @Test func whatIsNotUTF8IsAnError() throws {
    for name in ["latin.txt", "latin.jsonl"] {
      let place = try folder.write(Data("ab\n".utf8 + [0x61, 0xFF, 0x62, 0x0A]), to: name)
      #expect(throws: CalibrationError.unusable(place.path, reason: "the text is not valid UTF-8 at byte 4")) {
        try read(place)
      }
    }
  }

  @Test func whatCannotBeReadIsAnError() throws {
    let missing = folder.url.appendingPathComponent("nothing.txt")
    #expect(throws: CalibrationError.unusable(missing.path, reason: "no such file")) { try read(missing) }
    #expect(throws: CalibrationError.unusable(folder.url.path, reason: "it cannot be read: it is a directory")) {
      try read(folder.url)
    }
    // Nobody writes to the pipe: waiting for it would take for ever.
    let pipe = folder.url.appendingPathComponent("pipe")
    #expect(mkfifo(pipe.path, 0o600) == 0)
    for place in [pipe, URL(fileURLWithPath: "/dev/zero")] {
      #expect(
        throws: CalibrationError.unusable(place.path, reason: "it cannot be read: it is not a regular file")
      ) {
        try read(place)
      }
    }
    let tilde = folder.url.appendingPathComponent("~").appendingPathComponent("a.txt")
    #expect(throws: CalibrationError.self) { try read(tilde) }
    #expect("\(try #require(error { try read(tilde) }))".contains("the shell left '~'"))
  }

  private func error(_ body: () throws -> String) -> (any Error)? {
    do {
      _ = try body()
      return nil
    } catch {
      return error
    }
  }
}
