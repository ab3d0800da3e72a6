import Foundation

/// A folder for the files of one reader, removed when the process ends.
final class InputFolder: Sendable {
  let url: URL

  init(_ name: String) {
    url = FileManager.default.temporaryDirectory.appendingPathComponent(
      "fuzz-\(ProcessInfo.processInfo.processIdentifier)-\(name)")
    try? FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  /// Writes a file and does not wait for the disk.
  @discardableResult
  func write(_ bytes: some Collection<UInt8>, to name: String) throws -> URL {
    let destination = url.appendingPathComponent(name)
    // Some file systems send a file that is overwritten to the disk, so it is made anew.
    unlink(destination.path)
    guard let file = fopen(destination.path, "wb") else { throw CocoaError(.fileWriteUnknown) }
    defer { fclose(file) }
    let bytes = Array(bytes)
    guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw CocoaError(.fileWriteUnknown) }
    return destination
  }

  func remove(_ name: String) { unlink(url.appendingPathComponent(name).path) }
}

/// Inputs that are several files at once are parted by the byte 0x1E, which text files do not hold.
func parts(of input: [UInt8]) -> [ArraySlice<UInt8>] {
  input.split(separator: 0x1E, omittingEmptySubsequences: false)
}

/// Files of the repository.
enum Repository {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  static func bytes(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: root.appendingPathComponent(path))) }

  /// The files of a folder, in the order of their names; none where there is no folder.
  static func files(in path: String) throws -> [[UInt8]] {
    let folder = root.appendingPathComponent(path)
    guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    return try names.map { Array(try Data(contentsOf: folder.appendingPathComponent($0))) }
  }
}

/// The bytes of a text.
func utf8(_ text: String) -> [UInt8] { Array(text.utf8) }
