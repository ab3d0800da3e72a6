import Checkpoints
import Foundation

/// A file that is written and examined under a temporary name before it takes its place.
enum ProvisionalFile {
  /// Calls `body` with a path in the destination's folder at which nothing exists, and renames what it wrote there to
  /// the destination when it returns. Where anything fails, the temporary file and the folders made for it are removed.
  ///
  /// - Throws: `CheckpointError.alreadyExists`, `.unwritable`, and what `body` throws.
  static func write<Result>(to url: URL, replacing: Bool, _ body: (URL) throws -> Result) throws -> Result {
    let destination = URL(fileURLWithPath: url.standardizedFileURL.path)
    try check(destination, replacing)
    let created = try createFolders(above: destination)
    let unique = String(UInt64.random(in: .min ... .max), radix: 36)
    let name = ".\(destination.lastPathComponent.prefix(40)).\(unique).tmp"
    let temporary = destination.deletingLastPathComponent().appendingPathComponent(name)
    do {
      let result: Result
      do {
        result = try body(temporary)
      } catch CheckpointError.unwritable(let path, let reason) where path == temporary.path {
        throw CheckpointError.unwritable(path: destination.path, reason: reason)
      }
      try check(destination, replacing)  // It may have appeared meanwhile.
      guard rename(temporary.path, destination.path) == 0 else {
        throw CheckpointError.unwritable(path: destination.path, reason: String(cString: strerror(errno)))
      }
      return result
    } catch {
      unlink(temporary.path)
      for folder in created.reversed() { rmdir(folder) }
      throw error
    }
  }

  private static func check(_ url: URL, _ replacing: Bool) throws {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isDirectory) else { return }
    if isDirectory.boolValue { throw CheckpointError.unwritable(path: url.path, reason: "it is a folder") }
    if !replacing { throw CheckpointError.alreadyExists(path: url.path) }
  }

  /// - Returns: the folders that were made, outermost first.
  private static func createFolders(above url: URL) throws -> [String] {
    var missing: [String] = []
    var folder = url.deletingLastPathComponent()
    while !FileManager.default.fileExists(atPath: folder.path), folder.path != "/" {
      missing.append(folder.path)
      folder = folder.deletingLastPathComponent()
    }
    var created: [String] = []
    for path in missing.reversed() {
      guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
        let reason = String(cString: strerror(errno))
        for path in created.reversed() { rmdir(path) }
        throw CheckpointError.unwritable(path: url.path, reason: reason)
      }
      created.append(path)
    }
    return created
  }
}
