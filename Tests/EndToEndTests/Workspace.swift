import Foundation
import Testing

/// A temporary folder in which commands run, with the fixture texts in `text` and models as asked for.
final class Workspace {
  static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures")

  let folder: URL
  /// Where outputs are caught, outside of the folder.
  let logs: URL
  /// Variables that commands see beside the usual ones.
  var extraEnvironment: [String: String] = [:]
  private let root: URL

  /// - Parameter models: fixtures to copy; the first is also there as `model`.
  init(_ models: String...) throws {
    root = FileManager.default.temporaryDirectory.appendingPathComponent("nas-search-\(UUID().uuidString)")
    folder = root.appendingPathComponent("work")
    logs = root.appendingPathComponent("logs")
    for folder in [folder, logs] {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }
    try copy(Self.fixtures.appendingPathComponent("text"), to: "text")
    for (index, model) in models.enumerated() {
      let source = Self.fixtures.appendingPathComponent("models/\(model)")
      try copy(source, to: model)
      if index == 0 { try copy(source, to: "model") }
    }
  }

  deinit { try? FileManager.default.removeItem(at: root) }

  var environment: [String: String] {
    var environment = ProcessInfo.processInfo.environment
    environment["NAS_SEARCH_CACHE"] = root.appendingPathComponent("cache").path
    environment["COLUMNS"] = "120"
    for (name, value) in extraEnvironment { environment[name] = value }
    return environment
  }

  // MARK: Commands

  /// Runs a command and waits for its end.
  func run(_ command: String...) throws -> Outcome { try run(command) }
  func run(_ command: [String]) throws -> Outcome { try RunningTool(command, in: self).finish() }

  /// Runs a command as a script of bash says, which has it as `"$0" "$@"`.
  func run(_ command: [String], through script: String) throws -> Outcome {
    try RunningTool(command, in: self, through: script).finish()
  }

  /// A search that takes a moment on a fixture.
  static func search(
    _ more: String..., model: String = "model", budget: String = "12", study: String = "results/study"
  ) -> [String] {
    [
      "--model", model, "--budget", budget, "--study", study, "--calibration-windows", "8", "--calibration-length",
      "64", "--fitness-windows", "4", "--fitness-length", "32",
    ] + more
  }

  /// Expects a command to fail with words in its one line of error, and to leave the folder as it was.
  func expectFailure(
    _ command: [String], _ words: String..., code: Int32 = 1, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let before = try snapshot()
    try run(command).expectFailure(words, code: code, sourceLocation: sourceLocation)
    let after = try snapshot()
    #expect(before == after, "\(command)", sourceLocation: sourceLocation)
  }

  // MARK: Files

  func url(_ path: String) -> URL { folder.appendingPathComponent(path) }
  func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: url(path).path) }
  func data(_ path: String) throws -> Data { try Data(contentsOf: url(path)) }
  func text(_ path: String) throws -> String { try String(contentsOf: url(path), encoding: .utf8) }
  func write(_ text: String, to path: String) throws { try Data(text.utf8).write(to: url(path)) }
  func remove(_ path: String) throws { try FileManager.default.removeItem(at: url(path)) }
  func copy(_ source: URL, to path: String) throws { try FileManager.default.copyItem(at: source, to: url(path)) }

  /// Changes the bytes of a file.
  func edit(_ path: String, _ change: (inout Data) throws -> Void) throws {
    var data = try data(path)
    try change(&data)
    try data.write(to: url(path))
  }

  /// Changes keys of the model's `config.json`; `nil` removes one.
  func configure(_ changes: [String: Any?]) throws {
    try edit("model/config.json") { data in
      var object = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
      for (key, value) in changes { object[key] = value }
      data = try JSONSerialization.data(withJSONObject: object)
    }
  }

  /// Every file with its content, every folder; of a study's database and lock only that they are there, since looking
  /// at them may change their bytes.
  func snapshot() throws -> [String: Data] {
    var files: [String: Data] = [:]
    for path in try FileManager.default.subpathsOfDirectory(atPath: folder.path) {
      let counts = !["study.db", "study.lock"].contains(URL(fileURLWithPath: path).lastPathComponent)
      files[path] = counts ? (try? data(path)) ?? Data() : Data()
    }
    return files
  }

  /// Statistics in the cache, and what was left of unfinished ones.
  var cache: [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent("cache").path))?.sorted() ?? []
  }

  func url(ofCache name: String) -> URL { root.appendingPathComponent("cache/\(name)") }
}
