import Foundation

/// Writes a file so that its place holds the old content or the whole new one, never a part.
///
/// The content goes to a temporary file in the same folder, which is flushed to disk and then renamed. If anything
/// fails, the temporary file is removed and the destination stays as it was.
public enum AtomicFile {
  /// - Throws: `CheckpointError.unwritable` with the path and the system's reason.
  public static func write(_ data: Data, to url: URL) throws {
    try write(to: url) { output in
      try data.withUnsafeBytes { try output.write($0) }
    }
  }

  public static func write(_ text: String, to url: URL) throws {
    try write(to: url) { try $0.write(text) }
  }

  /// Writes the bytes that `body` sends to the output.
  /// - Throws: `CheckpointError.unwritable`, and what `body` throws.
  public static func write(to url: URL, _ body: (FileOutput) throws -> Void) throws {
    let output = try FileOutput(replacing: url)
    try body(output)
    try output.commit()
  }
}

/// A stream into a temporary file that takes its final name on `commit`. If it is released without that, it leaves
/// nothing.
public final class FileOutput {
  public let url: URL
  /// Number of bytes written so far.
  public private(set) var position = 0

  private let temporaryPath: String
  private var descriptor: Int32
  private var isCommitted = false
  private let buffer: UnsafeMutableRawBufferPointer
  private var buffered = 0

  /// Creates the temporary file beside the destination.
  public init(replacing url: URL) throws {
    let path = temporarySibling(of: url).path
    TemporaryPlaces.enter(path)
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      let reason = errno
      TemporaryPlaces.leave(path)
      throw CheckpointError.unwritable(path: url.path, reason: systemMessage(reason))
    }
    self.url = url
    temporaryPath = path
    self.descriptor = descriptor
    buffer = .allocate(byteCount: 1 << 16, alignment: 16)
  }

  deinit {
    buffer.deallocate()
    if descriptor >= 0 { close(descriptor) }
    if !isCommitted { unlink(temporaryPath) }
    TemporaryPlaces.leave(temporaryPath)
  }

  public func write(_ bytes: UnsafeRawBufferPointer) throws {
    position += bytes.count
    if bytes.count > buffer.count - buffered {
      try flush()
      if bytes.count >= buffer.count { return try send(bytes) }
    }
    UnsafeMutableRawBufferPointer(rebasing: buffer[buffered...]).copyMemory(from: bytes)
    buffered += bytes.count
  }

  public func write(_ text: String) throws {
    var text = text
    try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
  }

  /// A number in little-endian order.
  public func write<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value) throws {
    try withUnsafeBytes(of: value.littleEndian) { try write($0) }
  }

  /// Zeros up to the next multiple of `alignment`.
  public func pad(to alignment: Int) throws {
    while position % alignment != 0 { try write(UInt8(0)) }
  }

  /// Sends everything to the disk and closes the temporary file. Nothing can be written afterwards.
  public func finish() throws {
    guard descriptor >= 0 else { return }
    try flush()
    // Some file systems (quotas, network) report a full disk only here.
    guard fsync(descriptor) == 0 || errno == EINVAL || errno == EROFS else { throw failure(errno) }
    let closing = descriptor
    descriptor = -1
    guard close(closing) == 0 else { throw failure(errno) }
  }

  /// Finishes, and renames the temporary file to its final name.
  public func commit() throws {
    try finish()
    guard rename(temporaryPath, url.path) == 0 else { throw failure(errno) }
    isCommitted = true
  }

  private func flush() throws {
    try send(UnsafeRawBufferPointer(rebasing: buffer[..<buffered]))
    buffered = 0
  }

  private func send(_ bytes: UnsafeRawBufferPointer) throws {
    guard let base = bytes.baseAddress else { return }
    var sent = 0
    while sent < bytes.count {
      // The system's name for `write`, which the methods above hide.
      let count = Foundation.write(descriptor, base + sent, bytes.count - sent)
      if count > 0 {
        sent += count
      } else if count == 0 || errno != EINTR {
        throw failure(count == 0 ? EIO : errno)
      }
    }
  }

  private func failure(_ code: Int32) -> CheckpointError {
    .unwritable(path: url.path, reason: systemMessage(code))
  }
}

/// A name in the same folder that no other process or thread will choose: hidden, and marked as temporary.
func temporarySibling(of url: URL) -> URL {
  let unique = String(UInt64.random(in: .min ... .max), radix: 36)
  return url.deletingLastPathComponent().appendingPathComponent("\(temporaryPrefix(url))\(unique).tmp")
}

/// Whether `temporarySibling` may have made the name.
func isTemporary(_ name: String, of url: URL) -> Bool {
  let prefix = temporaryPrefix(url)
  guard name.hasPrefix(prefix), name.hasSuffix(".tmp") else { return false }
  let unique = name.dropFirst(prefix.count).dropLast(4)
  return !unique.isEmpty && unique.allSatisfy { $0.isASCII && ($0.isNumber || $0.isLowercase) }
}

/// Cut at a letter, because file systems allow names of 255 bytes.
private func temporaryPrefix(_ url: URL) -> String {
  var name = url.lastPathComponent.prefix(40)
  while name.utf8.count > 160 { name.removeLast() }
  return ".\(name)."
}
