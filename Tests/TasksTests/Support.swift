import Checkpoints
import Foundation
import LanguageModels
import Tokenizers

@testable import Tasks

enum Fixtures {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures")

  static func json(_ name: String) throws -> JSONValue { try JSONValue.read(folder.appendingPathComponent(name)) }

  static func model(_ name: String) throws -> LanguageModel {
    try LanguageModel(
      folder.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Fixtures/models/\(name)"))
  }
}

struct Missing: Error {}

/// - Throws: `Missing` instead of a crash where a fixture lacks something.
func some<Value>(_ value: Value?) throws -> Value {
  guard let value else { throw Missing() }
  return value
}

/// A folder of files that is removed at the end of the test.
final class Folder {
  let url = FileManager.default.temporaryDirectory.appendingPathComponent("nas-search-tests-\(UUID().uuidString)")

  init(_ files: [String: String] = [:]) throws {
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    for (name, text) in files { try write(text, name) }
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  @discardableResult func write(_ text: String, _ name: String) throws -> URL {
    let place = url.appendingPathComponent(name)
    try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: place)
    return place
  }

  func items(_ task: String) throws -> [TaskItem] { try TaskKind.named(task).items(in: TaskFolder(url)) }
}

/// The words of an error.
func problem(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "nothing was wrong"
  } catch {
    return "\(error)"
  }
}
