import Foundation
import Testing

@testable import Checkpoints

/// The places that may be written, before and after.
@Suite struct DestinationTests {
  let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(atPath: scratch.path(name).path, withDestinationPath: target)
  }

  private func folder(_ name: String) throws {
    try FileManager.default.createDirectory(at: scratch.path(name), withIntermediateDirectories: true)
  }

  /// The message about a destination; `nil` if it is good.
  private func refusal(
    _ name: String, _ form: Destination.Form, replacing: Destination.Objection? = nil
  ) throws -> String? {
    let before = try scratch.contents()
    let text = message(in: scratch) { try Destination(scratch.path(name), form, replacing: replacing).rehearse() }
    #expect(try scratch.contents() == before)
    return text
  }

  @Test func whatIsThereIsNamedAndLeft() throws {
    try scratch.write("x", to: "file")
    try folder("folder")
    try #require(mkfifo(scratch.path("fifo").path, 0o600) == 0)
    let always: Destination.Objection = { _ in nil }
    let cases: [(String, Destination.Form, String)] = [
      ("fifo", .file, "cannot write fifo: it is a fifo (named pipe), not a regular file"),
      ("fifo", .folder, "cannot write fifo: it is a fifo (named pipe) and not a folder"),
      ("folder", .file, "cannot write folder: it is a folder"),
      ("file", .folder, "cannot write file: it exists and is not a folder"),
    ]
    for (name, form, words) in cases { #expect(try refusal(name, form, replacing: always) == words) }
    let device = message { try Destination(URL(fileURLWithPath: "/dev/null"), .file, replacing: always).rehearse() }
    #expect(device == "cannot write /dev/null: it is a device, not a regular file")
    #expect(try refusal("file", .file) == "cannot write file: it exists and is not empty")
  }

  @Test func whoKnowsTheContentDecides() throws {
    try scratch.write("x", to: "file")
    try scratch.write("", to: "empty")
    try folder("full/sub")
    try folder("bare")
    let never: Destination.Objection = { "it is \($0.lastPathComponent)" }
    #expect(try refusal("file", .file, replacing: never) == "cannot write file: it is file")
    #expect(try refusal("full", .folder, replacing: never) == "cannot write full: it is full")
    // An empty file or folder has nothing to lose.
    #expect(try refusal("empty", .file, replacing: never) == nil)
    #expect(try refusal("bare", .folder, replacing: never) == nil)
    #expect(try refusal("bare", .folder) == nil)
  }

  @Test func linksStayAndTheirTargetsAreWritten() throws {
    try scratch.write("old", to: "file")
    try folder("old")
    try scratch.write("old", to: "old/f")
    try link("to-file", to: "file")
    try link("to-folder", to: "old")
    let file = try Destination(scratch.path("to-file"), .file) { _ in nil }
    try file.build { try AtomicFile.write("new", to: $0) }
    let folder = try Destination(scratch.path("to-folder"), .folder) { _ in nil }
    try folder.build { try AtomicFile.write("new", to: $0.appendingPathComponent("g")) }
    #expect(try String(contentsOf: scratch.path("file"), encoding: .utf8) == "new")
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path("old").path) == ["g"])
    for (name, target) in [("to-file", "file"), ("to-folder", "old")] {
      #expect(try FileManager.default.destinationOfSymbolicLink(atPath: scratch.path(name).path) == target)
    }
    #expect(try scratch.contents() == ["file", "old", "to-file", "to-folder"])
  }

  @Test func linksToNothingAndInCircles() throws {
    try link("dangling", to: "nowhere")
    try link("circle", to: "circle")
    for form in [Destination.Form.file, .folder] {
      #expect(try refusal("dangling", form) == "cannot write dangling: it is a link to nowhere, where nothing is")
      #expect(try refusal("dangling/out", form)?.hasSuffix("is a link to nowhere, where nothing is") == true)
      #expect(try refusal("circle", form) == "cannot write circle: Too many levels of symbolic links")
    }
  }

  @Test func pathsOnWhichNothingCanLie() throws {
    try scratch.write("x", to: "file")
    let long = String(repeating: "n", count: 256)
    for form in [Destination.Form.file, .folder] {
      #expect(try refusal("file/out", form) == "cannot write file/out: Not a directory")
      #expect(try refusal("a/\(long)/b", form) == "cannot write a/\(long)/b: File name too long")
      #expect(try refusal(long, form) == "cannot write \(long): File name too long")
    }
  }

  /// The longest names that file systems take, also where a letter has many bytes.
  @Test func longNamesAreWritten() throws {
    for name in [String(repeating: "n", count: 255), String(repeating: "👩‍👩‍👧‍👦", count: 10)] {
      #expect(name.utf8.count <= 255)
      #expect(try refusal(name, .file) == nil)
      #expect(try refusal(name, .folder) == nil)
      try Destination(scratch.path(name), .file).build { try AtomicFile.write("x", to: $0) }
      #expect(try scratch.contents() == [name])
      try FileManager.default.removeItem(at: scratch.path(name))
    }
  }

  @Test func foldersAboveAreMadeForTheTryAndRemoved() throws {
    for form in [Destination.Form.file, .folder] { #expect(try refusal("a/b/c", form) == nil) }
    #expect(try scratch.contents() == [])
    try Destination.rehearseFolder(scratch.path("cache/deep"))
    #expect(try scratch.contents() == [])
    try scratch.write("x", to: "file")
    #expect(
      message(in: scratch) { try Destination.rehearseFolder(scratch.path("file")) }
        == "cannot write file: Not a directory")
  }

  @Test func aPlaceWhereAFileSystemBeginsCannotBeReplaced() throws {
    guard FileManager.default.fileExists(atPath: "/proc/self/mountinfo") else { return }
    let text = message { try Destination(URL(fileURLWithPath: "/proc"), .folder) { _ in nil }.check() }
    #expect(text == "cannot write /proc: it is a mount point, which cannot be replaced; take a name inside it")
  }

  @Test func inputsAreNeverReplaced() throws {
    try folder("model")
    try scratch.write("x", to: "model/config.json")
    try link("alias", to: "model")
    try link("file", to: "model/config.json")
    func clear(_ name: String, _ form: Destination.Form = .folder, of input: String) -> String? {
      message(in: scratch) {
        try Destination(scratch.path(name), form) { _ in nil }.keepClear(of: scratch.path(input))
      }
    }
    for (name, input) in [("model", "model"), ("alias", "model"), ("model/../model", "alias"), ("model/", "model")] {
      #expect(clear(name, of: input)?.contains("itself, which is never replaced") == true, "\(name)")
    }
    #expect(clear("file", .file, of: "model/config.json")?.contains("is never replaced") == true)
    #expect(clear("alias/out", of: "model")?.contains("it lies inside the input") == true)
    #expect(clear("model", of: "model/config.json")?.contains("lies inside it") == true)
    // Names that only begin alike.
    #expect(clear("model-2", of: "model") == nil && clear("mode", of: "model") == nil)
  }

  @Test func outputsDoNotMeet() throws {
    try folder("real")
    try link("alias", to: "real")
    func clear(_ first: String, _ second: String) -> String? {
      message(in: scratch) {
        try Destination(scratch.path(first), .folder).keepClear(of: Destination(scratch.path(second), .folder))
      }
    }
    #expect(clear("real/a", "alias/a")?.contains("same place as the other output") == true)
    #expect(clear("real/a/b", "real/a")?.contains("inside the other output") == true)
    #expect(clear("real/a", "real/a/b")?.contains("lies inside it") == true)
    #expect(clear("real/a", "real/ab") == nil)
  }

  /// The folders of a killed process, and of one that is at work.
  @Test func leftoversGoAndFoldersInUseStay() throws {
    let destination = try Destination(scratch.path("out"), .folder)
    let busy = try TemporaryFolder(besides: destination)
    try folder(".out.abc.tmp")
    try folder(".out.keep.me")
    try destination.build { _ in }
    #expect(try scratch.contents() == [".out.keep.me", busy.url.lastPathComponent, "out"].sorted())
    busy.discard()
  }

  @Test func roomIsCountedForAllTogether() throws {
    let free = try #require(DiskSpace.room(at: scratch.path("not/yet/there"))).free
    try DiskSpace.check([(place: scratch.path("a"), bytes: 1, what: "the export")])
    let half = free / 2 + free / 4
    try DiskSpace.check([(place: scratch.path("a"), bytes: free / 4, what: "the export")])
    let text = message(in: scratch) {
      try DiskSpace.check([
        (place: scratch.path("a"), bytes: half, what: "statistics"),
        (place: scratch.path("b"), bytes: half, what: "the export"),
      ])
    }
    let words = DiskSpace.words(half)
    #expect(
      text?.hasPrefix("cannot write b: it takes \(words) for statistics and \(words) for the export, but") == true)
    #expect(text?.hasSuffix("free") == true)
    #expect(DiskSpace.words(5_500_000_000) == "5.1 GiB" && DiskSpace.words(3 << 20) == "3 MiB")
    #expect(DiskSpace.words(12 << 10) == "12 KiB")
  }
}
