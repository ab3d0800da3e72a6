import Checkpoints
import Foundation
import Synchronization
import Testing

@testable import Calibration

/// Files of `Fixtures`, which `make_texts.py` writes: one text in every form, against the plain one.
@Suite struct TextFileTests {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Fixtures")
  private static func text(_ name: String) throws -> String {
    try TextCorpus.read(.file(folder.appendingPathComponent(name), field: "text"))
  }

  @Test(arguments: [
    "one.txt.gz", "members.txt.gz", "padded.txt.gz", "one.txt.zst", "frames.txt.zst", "unsized.txt.zst", "mark.txt",
    "utf16le.txt", "utf16be.txt", "utf32le.txt", "utf32be.txt",
  ])
  func thePlainTextIsReadFrom(_ name: String) throws {
    #expect(try Self.text(name) == Self.text("plain.txt"))
  }

  @Test(arguments: ["lines.jsonl.gz", "lines.zst", "mark.jsonl", "utf16le.jsonl"])
  func theRecordsAreReadFrom(_ name: String) throws {
    #expect(try Self.text(name) == Self.text("lines.jsonl"))
    #expect(try Self.text(name).components(separatedBy: "\n\n").count == 6)
  }

  /// As gzip does: a warning, and what was packed.
  @Test func whatFollowsIsIgnoredAndSaid() throws {
    let heard = Mutex<[String]>([])
    Notices.hearEverywhere { text in heard.withLock { $0.append(text) } }
    defer { Notices.hearEverywhere { _ in } }
    #expect(try Self.text("followed.txt.gz") == Self.text("plain.txt"))
    #expect(heard.withLock { $0 }.contains { $0.contains("followed.txt.gz: 14 bytes after the packed data") })
  }

  @Test(arguments: [
    ("cut.txt.gz", "not whole"), ("cut-header.txt.gz", "not whole"), ("cut.txt.zst", "not whole"),
    ("damaged.txt.gz", "the gzip data is damaged: incorrect data check"),
    ("followed.txt.zst", "the zstd data is damaged: Unknown frame descriptor"),
    ("utf16-without-mark.txt", "UTF-16 without a byte order mark"), ("utf16-cut.txt", "not valid UTF-16"),
    ("utf16-half-pair.txt", "not valid UTF-16"), ("rows.txt.bz2", "compressed with bzip2, not a text; 'bunzip2'"),
    ("rows.txt.xz", "compressed with xz, not a text; 'unxz'"), ("rows.parquet", "a Parquet file, not a text"),
    ("rows.feather", "an Arrow file"), ("rows.arrow", "an Arrow file"), ("rows.pickle", "a Python pickle"),
    ("rows.zip", "a ZIP archive"), ("rows.tar.gz", "a tar archive"), ("rows.db", "an SQLite database"),
  ])
  func isRefused(_ name: String, words: String) throws {
    let error = #expect(throws: CalibrationError.self) { try Self.text(name) }
    let text = error?.description ?? ""
    #expect(text.contains(name) && text.contains(words) && !text.contains("\n"), "\(text)")
  }

  @Test(arguments: ["large.txt.gz", "large.txt.zst"])
  func whatUnpacksToTooMuchIsRefused(_ name: String) throws {
    let place = Self.folder.appendingPathComponent(name)
    #expect(try TextFile.withUTF8(of: place, limit: 1 << 20) { $0.count } == 1 << 20)
    let error = #expect(throws: CalibrationError.self) {
      try TextFile.withUTF8(of: place, limit: (1 << 20) - 1) { $0.count }
    }
    #expect(error?.description.contains("unpacks to more than") == true)
  }

  @Test func parquetIsConvertedByTheCommandThatIsPrinted() throws {
    #expect(
      CalibrationError.notText("my data/a'b.parquet", .parquet).description.hasSuffix(
        "; this makes JSON lines of it: python3 -c \"import sys, pandas; pandas.read_parquet(sys.argv[1])"
          + ".to_json(sys.argv[2], orient='records', lines=True, force_ascii=False)\" "
          + "'my data/a'\\''b.parquet' 'my data/a'\\''b.jsonl'"))
  }

  /// The marks of some kinds are words that prose may begin with.
  @Test func proseMayBeginWithAMark() throws {
    let folder = try TemporaryFolder()
    for text in ["GGUF is a format of llama.cpp.\n", "PAR1 – the first parish\n", "ARROW1 hits the mark\n"] {
      #expect(try TextCorpus.read(.file(folder.write(text, to: "a.txt"), field: "text")) == text)
    }
    for (bytes, words) in [
      (Data("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n".utf8), "a Git LFS pointer"),
      (Data(" <!DOCTYPE html>\n<html></html>".utf8), "a web page (HTML)"), (Data("%PDF-1.7\n".utf8), "a PDF document"),
      (Data("GGUF".utf8 + [3, 0, 0, 0]), "a GGUF file"), (Data("ab\0c".utf8), "there is a NUL at byte 2"),
    ] {
      for name in ["a.txt", "a.jsonl"] {
        let place = try folder.write(bytes, to: name)
        let error = #expect(throws: CalibrationError.self) { try TextCorpus.read(.file(place, field: "text")) }
        #expect(error?.description.contains(words) == true, "\(String(describing: error))")
      }
    }
  }
}
