import Foundation

/// The place of a file among the parts of a split model.
///
/// Part 2 of 3 is called `NAME-00002-of-00003.gguf` and has the keys `split.no` (1, counted from 0) and `split.count`
/// (3); the first part holds all other metadata. Source: `llama_split_path` and `llama_model_loader` of llama.cpp.
struct GGUFSplit: Equatable, CustomStringConvertible {
  /// Counted from 0.
  let number: Int
  let count: Int

  /// llama.cpp stores both numbers in 16 bits.
  private static let maximumCount = Int(UInt16.max)

  /// - Returns: nil for a file that is a whole model.
  init?(_ part: GGUFPart) throws {
    guard let count = try part.integerIfPresent("split.count"), count != 0, count != 1 else { return nil }
    let number = try part.integer("split.no")
    guard count > 1, count <= Self.maximumCount, number >= 0, number < count else {
      throw CheckpointError.malformed(
        file: part.url.path, problem: "'split.no' is \(number) (counted from 0) and 'split.count' is \(count)")
    }
    (self.number, self.count) = (number, count)
  }

  init(number: Int, count: Int) { (self.number, self.count) = (number, count) }

  var description: String { "part \(number + 1) of \(count) of a split model" }

  /// The end of the part's name.
  private var suffix: String { String(format: "-%05d-of-%05d.gguf", number + 1, count) }

  /// The beginning of the names of all parts; nil if this is not the name of a part.
  static func prefix(of name: String) -> String? {
    guard let match = name.wholeMatch(of: /(.+)-[0-9]{5,}-of-[0-9]{5,}\.gguf/) else { return nil }
    return String(match.1)
  }

  /// All parts of the model, in their order; the file alone if it is a whole model.
  /// - Throws: `CheckpointError` if a part is missing, is misnamed, or belongs to another model.
  static func parts(with opened: GGUFPart) throws -> [GGUFPart] {
    guard let place = try GGUFSplit(opened) else { return [opened] }
    let others = try place.files(of: opened)
    let parts = try others.enumerated().map { number, url in
      number == place.number ? opened : try GGUFSplit(number: number, count: place.count).open(url)
    }
    let (found, expected) = (parts.reduce(0) { $0 + $1.tensors.count }, try parts[0].integer("split.tensors.count"))
    guard found == expected else {
      throw CheckpointError.malformed(
        file: parts[0].url.path,
        problem: "the \(place.count) parts of this split model hold \(found) tensors, but its 'split.tensors.count' is "
          + "\(expected): a part belongs to another model")
    }
    return parts
  }

  /// The places of the parts, in their order.
  private func files(of opened: GGUFPart) throws -> [URL] {
    func malformed(_ problem: String) -> CheckpointError { .malformed(file: opened.url.path, problem: problem) }
    let name = opened.url.lastPathComponent
    guard name.hasSuffix(suffix), name.count > suffix.count else {
      throw malformed(
        "it is \(self), but its name does not end in '\(suffix)', by which the other parts are found; give all parts "
          + "their names again")
    }
    let prefix = String(name.dropLast(suffix.count))
    let folder = opened.url.deletingLastPathComponent()
    let files = (0..<count).map {
      folder.appendingPathComponent(prefix + GGUFSplit(number: $0, count: count).suffix)
    }
    let missing = files.filter { !FileManager.default.fileExists(atPath: $0.path) }.map(\.lastPathComponent)
    guard missing.isEmpty else {
      let more = missing.count > 3 ? " and \(missing.count - 3) more" : ""
      throw malformed("it is \(self), and beside it are missing: \(missing.prefix(3).joined(separator: ", "))\(more)")
    }
    return files
  }

  /// Opens the file at this place, and checks that its keys name this place.
  private func open(_ url: URL) throws -> GGUFPart {
    let part = try GGUFPart(url)
    let found = try GGUFSplit(part)
    guard found == self else {
      throw CheckpointError.malformed(
        file: url.path, problem: "it has the name of \(self), but is \(found.map { "\($0)" } ?? "a file of its own")")
    }
    return part
  }
}

/// Files that are not whole GGUF files according to their names.
enum UnfinishedFile {
  /// An error that begins with a sentence about the file's name, if the name explains the error.
  static func explain(_ error: CheckpointError, _ url: URL) -> CheckpointError {
    guard let reason = reason(url.lastPathComponent.lowercased()) else { return error }
    return .malformed(file: url.path, problem: "\(reason) (\(error))")
  }

  private static func reason(_ name: String) -> String? {
    if name.contains(/\.gguf[-._](split-[a-z]|part-?[0-9a-z]+|[0-9]{2,3}|[a-z]{2})$/) {
      return
        "its name is that of a piece of a file that was cut by size: join all pieces in their order with 'cat', and "
        + "give the whole file"
    }
    if name.contains(/\.gguf\.?(part|partial|incomplete|crdownload|download|aria2|tmp)$/) {
      return "its name is that of a download that is not finished"
    }
    return nil
  }
}
