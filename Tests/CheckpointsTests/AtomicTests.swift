import Foundation
import Testing

@testable import Checkpoints

@Suite struct AtomicTests {
  let scratch: Scratch
  struct Refusal: Error {}

  init() throws { scratch = try Scratch() }

  private func text(_ name: String) throws -> String {
    try String(contentsOf: scratch.path(name), encoding: .utf8)
  }

  @Test func aFileIsReplacedAsAWhole() throws {
    try AtomicFile.write("old", to: scratch.path("f"))
    try AtomicFile.write(to: scratch.path("f")) { output in
      try output.write("new ")
      #expect(try text("f") == "old")
      try output.write(UInt16(0x4241))
      try output.pad(to: 8)
      #expect(output.position == 8)
    }
    #expect(try text("f") == "new AB\0\0")
    try AtomicFile.write(Data([0x43]), to: scratch.path("f"))
    #expect(try text("f") == "C")
    #expect(try scratch.contents() == ["f"])
  }

  @Test func longAndShortWritesKeepTheirOrder() throws {
    var generator = SeededGenerator(state: 5)
    var expected: [UInt8] = []
    try AtomicFile.write(to: scratch.path("f")) { output in
      for size in [0, 1, 65_535, 65_536, 65_537, 7, 200_000, 3, 65_530, 10, 0] {
        let piece = (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }
        try piece.withUnsafeBytes { try output.write($0) }
        expected += piece
        #expect(output.position == expected.count)
      }
    }
    #expect(try Array(Data(contentsOf: scratch.path("f"))) == expected)
  }

  @Test func aFailedWriteLeavesTheOldFile() throws {
    try AtomicFile.write("old", to: scratch.path("f"))
    #expect(throws: Refusal.self) {
      try AtomicFile.write(to: scratch.path("f")) { output in
        try output.write("half")
        throw Refusal()
      }
    }
    #expect(try text("f") == "old")
    #expect(try scratch.contents() == ["f"])
    try FileManager.default.createDirectory(at: scratch.path("d"), withIntermediateDirectories: false)
    #expect(
      message(in: scratch) { try AtomicFile.write("x", to: scratch.path("d")) } == "cannot write d: Is a directory")
    #expect(try scratch.contents() == ["d", "f"])
  }

  @Test func aFolderAppearsAsAWhole() throws {
    let destination = scratch.path("a/b/c")
    let answer = try Destination(destination, .folder).build { folder in
      #expect(!FileManager.default.fileExists(atPath: destination.path))
      try AtomicFile.write("x", to: folder.appendingPathComponent("f"))
      return 7
    }
    #expect(answer == 7)
    #expect(try text("a/b/c/f") == "x")
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path("a/b").path) == ["c"])
  }

  @Test func aFailedFolderLeavesNothing() throws {
    #expect(throws: Refusal.self) {
      try Destination(scratch.path("a/b/c"), .folder).build { folder in
        try AtomicFile.write("x", to: folder.appendingPathComponent("f"))
        throw Refusal()
      }
    }
    #expect(try scratch.contents() == [])
  }

  @Test func errorsNameTheFolderThatTheCallerKnows() throws {
    let text = message(in: scratch) {
      try Destination(scratch.path("d"), .folder).build { folder in
        try AtomicFile.write("x", to: folder.appendingPathComponent("missing/f"))
      }
    }
    #expect(text == "cannot write d/missing/f: No such file or directory")
    #expect(try scratch.contents() == [])
  }

  @Test func anExistingFolderIsReplacedOnlyOnDemand() throws {
    let destination = scratch.path("d")
    try FileManager.default.createDirectory(at: destination, withIntermediateDirectories: false)
    func build(_ content: String, replacing: Bool) throws {
      try Destination(destination, .folder, replacing: replacing ? { _ in nil } : nil).build { folder in
        try AtomicFile.write(content, to: folder.appendingPathComponent(content))
      }
    }
    try build("first", replacing: false)  // It was empty.
    #expect(
      message(in: scratch) { try build("second", replacing: false) } == "cannot write d: it exists and is not empty")
    #expect(try text("d/first") == "first")
    try build("third", replacing: true)
    #expect(try FileManager.default.contentsOfDirectory(atPath: destination.path) == ["third"])
    #expect(throws: Refusal.self) {
      try Destination(destination, .folder) { _ in nil }.build { _ in throw Refusal() }
    }
    #expect(try text("d/third") == "third")
    #expect(try scratch.contents() == ["d"])
  }

  @Test func aFileInTheWayIsNotReplaced() throws {
    try scratch.write("x", to: "f")
    for replacing in [false, true] {
      #expect(
        message(in: scratch) {
          try Destination(scratch.path("f"), .folder, replacing: replacing ? { _ in nil } : nil).build { _ in }
        }
          == "cannot write f: it exists and is not a folder")
    }
    #expect(
      message(in: scratch) { try Destination(scratch.path("f/g/h"), .folder).build { _ in } }
        == "cannot write f/g/h: Not a directory")
    #expect(try scratch.contents() == ["f"])
  }
}
