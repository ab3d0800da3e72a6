import Foundation
import Testing

@testable import Checkpoints

/// The committed files that `make_fixtures.py` writes.
func fixture(_ name: String) -> URL {
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/\(name)")
}

/// A folder of a test's own that is removed when the test ends.
final class Scratch {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("checkpoints-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func path(_ name: String) -> URL { url.appendingPathComponent(name) }

  @discardableResult
  func write(_ bytes: [UInt8], to name: String) throws -> URL {
    let destination = path(name)
    // Not with `Data.write`, which waits for the disk: too slow for the thousands of files of the fuzz tests.
    unlink(destination.path)  // For the same reason: some file systems send a file that is overwritten to the disk.
    let file = try #require(fopen(destination.path, "wb"))
    defer { fclose(file) }
    try #require(fwrite(bytes, 1, bytes.count, file) == bytes.count)
    return destination
  }

  @discardableResult
  func write(_ text: String, to name: String) throws -> URL { try write(Array(text.utf8), to: name) }

  /// All names in the folder, hidden ones too.
  func contents() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: url.path).sorted()
  }
}

/// The text of the `CheckpointError` that the body throws, with the folder's path removed.
func message(in scratch: Scratch? = nil, _ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch let error as CheckpointError {
    let text = error.description
    return scratch.map { text.replacingOccurrences(of: $0.url.path + "/", with: "") } ?? text
  } catch {
    return "another error: \(error)"
  }
}

func littleEndian<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

/// SplitMix64 (Steele, Lea and Flood 2014): small, and the same on every machine.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
