import Calibration
import Checkpoints
import Foundation

/// The folder with the files of tasks, as their authors publish them.
///
/// A file may lie in it, or in a folder inside, at any depth. A name that begins with `./` is one of the folder itself: of words such as
/// `dev.jsonl` there are many.
public struct TaskFolder: Sendable {
  public let url: URL
  private let files: [URL]

  /// - Throws: `TaskError.unusable` if it is no folder.
  public init(_ url: URL) throws {
    let url = url.standardizedFileURL.resolvingSymlinksInPath()
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), isFolder.boolValue else {
      throw TaskError.unusable(url.path, "there is no such folder")
    }
    self.url = url
    let names = FileManager.default.enumerator(atPath: url.path)?.compactMap { $0 as? String } ?? []
    files = names.sorted().map { url.appendingPathComponent($0) }
  }

  /// A file of one of several names; of several files, the one of the first name.
  ///
  /// - Throws: `TaskError.missingFile`, or `.unusable` if several files have the name.
  func file(_ names: [String], of task: String) throws -> URL {
    if let found = try first(of: names, for: task) { return found }
    throw TaskError.missingFile(task: task, folder: url.path, names: names)
  }

  /// The same; `nil` if there is none.
  func first(of names: [String], for task: String) throws -> URL? {
    for name in names {
      if let found = try optional(name, of: task) { return found }
    }
    return nil
  }

  private func optional(_ name: String, of task: String) throws -> URL? {
    let found = files.filter {
      name.hasPrefix("./") ? $0.path == url.path + name.dropFirst() : $0.path.hasSuffix("/" + name)
    }
    guard found.count <= 1 else {
      throw TaskError.unusable(
        url.path, "the task '\(task)' wants one \(name), but there are \(found.map(\.path).joined(separator: " and "))")
    }
    return found.first
  }

  /// Files whose names end so.
  func files(endingIn ending: String) -> [URL] { files.filter { $0.path.hasSuffix(ending) } }

  /// The whole numbers of a file with one in each line.
  func labels(in url: URL) throws -> [Int] {
    try JSONLines.words(of: url).map { line, text in
      guard let label = Int(text) else { throw TaskError.unusable("\(url.path):\(line)", "'\(text)' is no label") }
      return label
    }
  }

  /// The JSON values of a file with one in each line.
  func rows(_ names: [String], of task: String) throws -> [TaskRow] {
    try TaskRow.rows(of: file(names, of: task))
  }
}

/// A JSON value with the place that it was read from.
struct TaskRow {
  let value: JSONValue
  /// File and line, and the key if it is a part.
  let place: String

  /// - Throws: `CalibrationError` for files that cannot be read and lines that are not JSON.
  static func rows(of url: URL) throws -> [TaskRow] {
    let rows = try JSONLines.read(url).map { TaskRow(value: $0.value, place: "\(url.path):\($0.line)") }
    guard !rows.isEmpty else { throw TaskError.unusable(url.path, "it holds no line") }
    return rows
  }

  private func wrong(_ key: String, _ wanted: String) -> TaskError {
    .unusable(place, value[key] == nil ? "there is no '\(key)'" : "'\(key)' is not \(wanted)")
  }

  func has(_ key: String) -> Bool { value[key] != nil }

  func string(_ key: String) throws -> String {
    guard let text = value[key]?.string else { throw wrong(key, "a text") }
    return text
  }

  func strings(_ key: String) throws -> [String] {
    guard let list = value[key]?.array else { throw wrong(key, "a list of texts") }
    let texts = list.compactMap(\.string)
    guard texts.count == list.count else { throw wrong(key, "a list of texts") }
    return texts
  }

  /// A whole number, also if it is written as a text.
  func integer(_ key: String) throws -> Int {
    guard let number = value[key].flatMap({ $0.integer ?? $0.string.flatMap { Int($0) } }) else {
      throw wrong(key, "a whole number")
    }
    return number
  }

  func bool(_ key: String) throws -> Bool {
    guard let found = value[key]?.bool else { throw wrong(key, "true or false") }
    return found
  }

  func part(_ key: String) throws -> TaskRow {
    guard let part = value[key], part.object != nil else { throw wrong(key, "an object") }
    return TaskRow(value: part, place: "\(place), '\(key)'")
  }

  func list(_ key: String) throws -> [TaskRow] {
    guard let list = value[key]?.array, !list.isEmpty else { throw wrong(key, "a list") }
    return list.enumerated().map { TaskRow(value: $1, place: "\(place), '\(key)' \($0)") }
  }
}
