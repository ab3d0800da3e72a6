import Checkpoints
import Foundation
import LanguageModels
import Testing

@testable import Exports

/// What `replacing` replaces: exports of this program that hold nothing else.
@Suite struct DestinationTests {
  private let folder: TemporaryFolder
  private let parent: LanguageModel

  init() throws {
    folder = try TemporaryFolder()
    parent = try Fixtures.parent("llama3-gqa")
  }

  private func url(_ name: String) -> URL { folder.url.appendingPathComponent(name) }

  private func export(_ format: ExportFormat, to name: String) throws {
    try Exporter.export(
      parent, parent: parent, record: Fixtures.record, to: url(name),
      options: ExportOptions(format: format, replacing: true))
  }

  /// The reason why nothing was written.
  private func refusal(_ format: ExportFormat, _ name: String) -> String? {
    do {
      try export(format, to: name)
      return nil
    } catch CheckpointError.unwritable(_, let reason) {
      return reason
    } catch {
      return "another error: \(error)"
    }
  }

  private func write(_ text: String, to name: String) throws { try Data(text.utf8).write(to: url(name)) }

  @Test(arguments: [
    ("notes.txt", "it also holds what nas-search did not write: 'notes.txt'"),
    ("model-best.safetensors", "it also holds what nas-search did not write: 'model-best.safetensors'"),
    (".git", "it also holds what nas-search did not write: '.git'"),
  ])
  func somebodysFileInAnExport(_ name: String, _ reason: String) throws {
    try export(.huggingFace, to: "out")
    try write("mine", to: "out/\(name)")
    #expect(refusal(.huggingFace, "out") == reason)
    #expect(try String(contentsOf: url("out/\(name)"), encoding: .utf8) == "mine")
    try FileManager.default.removeItem(at: url("out/\(name)"))
    #expect(refusal(.huggingFace, "out") == nil)
  }

  /// A file of the record's name does not make a checkpoint ours.
  @Test(arguments: ["junk", "{}", "[]", "{\"schema\": \"other\"}"])
  func recordsThatAreNone(_ text: String) throws {
    try export(.huggingFace, to: "out")
    try write(text, to: "out/nas_search.json")
    #expect(refusal(.huggingFace, "out") == "its nas_search.json is no record of nas-search")
    #expect(try String(contentsOf: url("out/nas_search.json"), encoding: .utf8) == text)
  }

  @Test func somebodysFolderInAnExport() throws {
    try export(.huggingFace, to: "out")
    try FileManager.default.removeItem(at: url("out/README.md"))
    try FileManager.default.createDirectory(at: url("out/README.md"), withIntermediateDirectories: true)
    #expect(refusal(.huggingFace, "out") == "it also holds what nas-search did not write: 'README.md'")
  }

  @Test func checkpointsOfOthers() throws {
    let copy = url("copy")
    try FileManager.default.copyItem(at: Fixtures.folder.appendingPathComponent("mistral-gqa"), to: copy)
    #expect(
      refusal(.huggingFace, "copy") == "it is a checkpoint that nas-search did not write (there is no nas_search.json)")
    let gguf = url("copy.gguf")
    try FileManager.default.copyItem(at: Fixtures.folder.appendingPathComponent("llama-mha/llama-mha.gguf"), to: gguf)
    let whole = try Data(contentsOf: gguf)
    #expect(refusal(.gguf, "copy.gguf") == "it is no GGUF file of nas-search")
    #expect(try Data(contentsOf: gguf) == whole)
    try write("keep", to: "text.gguf")
    #expect(refusal(.gguf, "text.gguf") == "it is no GGUF file of nas-search")
  }

  /// transformers writes its version into what it saves, and leaves our record where it lies.
  @Test func exportsThatWereSavedAnew() throws {
    try export(.huggingFace, to: "out")
    var config = try #require(JSONValue.read(url("out/config.json")).object)
    config["transformers_version"] = "5.2.0"
    try write(JSONValue.object(config).text(), to: "out/config.json")
    #expect(refusal(.huggingFace, "out") == "its checkpoint was saved anew by transformers 5.2.0")
  }

  @Test(arguments: ExportFormat.allCases) func exportsOfOurs(_ format: ExportFormat) throws {
    try export(format, to: "out")
    #expect(refusal(format, "out") == nil)
    #expect(folder.content == ["out"])
  }

  @Test func pathsThatGoWithTheOtherFormat() throws {
    for (path, format, reason) in [
      ("out/", ExportFormat.gguf, "a GGUF export is a file"),
      ("out.gguf", .huggingFace, "a Hugging Face export is a folder"),
      ("out.GGUF/", .huggingFace, "a Hugging Face export is a folder"),
    ] {
      let target = ExportTarget(folder.url.path + "/" + path, ExportOptions(format: format))
      let error = #expect(throws: CheckpointError.self) { try Exporter.check(parent, [target]) }
      #expect("\(error.map(\.description) ?? "")".contains(reason))
    }
  }

  @Test func outputsMustBeApartFromEachOtherAndFromTheModel() throws {
    func check(_ paths: [String], inputs: [URL] = []) -> String? {
      let targets = paths.map { path in
        ExportTarget(
          path.hasPrefix("/") ? path : folder.url.path + "/" + path,
          ExportOptions(format: path.hasSuffix(".gguf") ? .gguf : .huggingFace, replacing: true))
      }
      do {
        try Exporter.check(parent, targets, inputs: inputs)
        return nil
      } catch {
        return "\(error)"
      }
    }
    #expect(check(["a", "b.gguf"]) == nil)
    #expect(check(["a", "a/b.gguf"])?.contains("inside the other output") == true)
    #expect(check(["a", "./a"])?.contains("same place") == true)
    #expect(check([parent.location.path])?.contains("is never replaced") == true)
    #expect(check([parent.location.path + "/out.gguf"])?.contains("inside the input") == true)
    #expect(check(["x"], inputs: [url("x")]) == nil)  // Not there.
    #expect(folder.content == [])
  }

  @Test func synthesizedFoldersCarryTheirMark() throws {
    let shape = try ModelShape.named("smollm2-135m").with(
      layers: 1, channels: 8, heads: 1, kvHeads: 1, vocabulary: 400)
    func write(_ name: String) throws {
      _ = try SyntheticCheckpoint.write(shape, type: .f16, seed: 1, to: url(name), replacing: true)
    }
    try write("out")
    try write("out")
    let record = try JSONValue.read(url("out/nas_search.json"))
    #expect(record["schema"]?.string == "nas-search.synthesize" && record["shape"]?.string == "smollm2-135m")
    try FileManager.default.copyItem(at: Fixtures.folder.appendingPathComponent("llama3-gqa"), to: url("model"))
    #expect(throws: CheckpointError.self) { try write("model") }
    #expect(try LanguageModel(url("model")).fingerprint() == parent.fingerprint())
  }
}
