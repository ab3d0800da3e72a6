import Checkpoints
import Foundation

/// A text file as UTF-8, from any supported encoding.
///
/// The first bytes decide: gzip and zstd are unpacked, UTF-16 and UTF-32 with a byte order mark are converted, and
/// well-known files that are not text are refused by name.
enum TextFile {
  /// Largest number of bytes to which a packed text may unpack: more than any calibration needs.
  static let largestUnpacked = 4 << 30

  /// - Parameters:
  ///   - limit: largest number of bytes to which a packed text may unpack.
  ///   - body: function that gets the text for the time of the call: valid UTF-8 without a byte order mark, and not
  ///     empty.
  /// - Throws: `CalibrationError`, and what `body` throws.
  static func withUTF8<Value>(
    of url: URL, limit: Int = largestUnpacked, _ body: (UnsafeRawBufferPointer) throws -> Value
  ) throws -> Value {
    let path = url.path
    let file = try map(url)
    return try withExtendedLifetime(file) {
      guard let unpacked = try unpacked(file.bytes, path: path, limit: limit) else {
        return try withUTF8(of: file.bytes, path: path, body)
      }
      return try unpacked.withUnsafeBytes { try withUTF8(of: $0, path: path, body) }
    }
  }

  private static func map(_ url: URL) throws -> MappedFile {
    do {
      return try MappedFile(url)
    } catch CheckpointError.unreadable(let path, let reason) {
      let isMissing = !FileManager.default.fileExists(atPath: path)
      let isTilde = url.pathComponents.contains { $0.hasPrefix("~") }
      throw CalibrationError.unusable(
        path,
        reason: !isMissing
          ? "it cannot be read: \(reason)" : "no such file" + (isTilde ? "; the shell left '~' as it is" : ""))
    }
  }

  /// The content of a packed file; `nil` for any other.
  private static func unpacked(_ bytes: UnsafeRawBufferPointer, path: String, limit: Int) throws -> [UInt8]? {
    do {
      switch FileKind(bytes) {
      case .gzip:
        return try Unpacking.gzip(bytes, limit: limit) { count in
          Notices.tell("\(path): \(count) bytes after the packed data are ignored")
        }
      case .zstd: return try Unpacking.zstd(bytes, limit: limit)
      default: return nil
      }
    } catch {
      throw CalibrationError.unusable(path, reason: error.problem)
    }
  }

  private static func withUTF8<Value>(
    of bytes: UnsafeRawBufferPointer, path: String, _ body: (UnsafeRawBufferPointer) throws -> Value
  ) throws -> Value {
    switch kind(of: bytes) {
    case nil: return try body(checked(bytes, path: path))
    case .utf8Mark: return try body(checked(.init(rebasing: bytes.dropFirst(3)), path: path))
    case .utf16, .utf32:
      var text = try WideText.decode(bytes, path: path)
      return try text.withUTF8 { try body(checked(UnsafeRawBufferPointer($0), path: path)) }
    case .some(let kind): throw CalibrationError.notText(path, kind)
    }
  }

  /// The kind of a file that is not plain UTF-8.
  ///
  /// The marks of some kinds are plain words, with which a text may begin, too. Their files go on with other bytes.
  private static func kind(of bytes: UnsafeRawBufferPointer) -> FileKind? {
    let kind = FileKind(bytes)
    switch kind {
    case .gguf, .parquet, .arrow, .oldGGML:
      return bytes.prefix(32).contains { $0 < 32 && !(9...13).contains($0) } ? kind : nil
    default: return kind
    }
  }

  /// - Returns: the same bytes.
  /// - Throws: `CalibrationError` unless they are UTF-8 as texts are.
  private static func checked(_ bytes: UnsafeRawBufferPointer, path: String) throws -> UnsafeRawBufferPointer {
    if bytes.isEmpty { throw CalibrationError.emptyText(path) }
    if let zero = bytes.first(0) {
      throw CalibrationError.unusable(
        path,
        reason: WideText.isLikely(bytes)
          ? "it looks like UTF-16 without a byte order mark; 'iconv -f UTF-16LE -t UTF-8' converts it"
          : "not a text: there is a NUL at byte \(zero)")
    }
    do {
      _ = try UTF8Span(validating: bytes.bindMemory(to: UInt8.self).span)
    } catch {
      throw CalibrationError.unusable(
        path, reason: "the text is not valid UTF-8 at byte \(error.byteOffsets.lowerBound)")
    }
    return bytes
  }
}
