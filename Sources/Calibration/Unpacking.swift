import CCompression
import Checkpoints

/// An error in packed data.
struct UnpackingError: Error, Equatable {
  let problem: String

  static let truncated = UnpackingError(problem: "the packed data ends in the midst; the file is not whole")

  static func tooLarge(_ limit: Int) -> UnpackingError {
    UnpackingError(problem: "it unpacks to more than \(limit >> 20) MiB; unpack it and take a part of it")
  }
}

/// Unpacks gzip (RFC 1952) and zstd (RFC 8878) in memory, in steps.
///
/// The result grows with the unpacked bytes; sizes that the data states are not trusted.
enum Unpacking {
  /// Bytes unpacked in one step.
  private static let step = 1 << 20
  /// zlib counts the bytes of its input in 32 bits.
  private static let portion = 1 << 30

  /// Unpacks all members of a gzip file.
  ///
  /// - Parameters:
  ///   - limit: largest number of bytes of the result.
  ///   - ignored: function that is called with the number of bytes after the last member. They are left out, as `gzip`
  ///     does.
  static func gzip(
    _ packed: UnsafeRawBufferPointer, limit: Int, ignored: (Int) -> Void = { _ in }
  ) throws(UnpackingError) -> [UInt8] {
    var stream = z_stream()
    // 15: the largest window; 16: gzip and nothing else.
    guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw UnpackingError(problem: "zlib cannot be started")
    }
    defer { inflateEnd(&stream) }
    var result: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: step)
    var position = 0
    while position < packed.count {
      let rest = UnsafeRawBufferPointer(rebasing: packed[position...].prefix(portion))
      let (status, read, written) = inflate(&stream, rest, into: &buffer)
      position += read
      result.append(contentsOf: buffer[..<written])
      if result.count > limit { throw .tooLarge(limit) }
      if status == Z_STREAM_END {
        let tail = packed[position...]
        if tail.isEmpty { return result }
        guard tail.starts(with: [0x1F, 0x8B]) else {
          // Tapes and some file systems pad with zeros.
          if tail.contains(where: { $0 != 0 }) { ignored(tail.count) }
          return result
        }
        inflateReset(&stream)
      } else if status != Z_OK, !(status == Z_BUF_ERROR && position < packed.count) {
        if status == Z_BUF_ERROR { break }
        let reason = stream.msg.map { String(cString: $0) } ?? "zlib's error \(status)"
        throw UnpackingError(problem: "the gzip data is damaged: \(reason)")
      }
    }
    throw .truncated
  }

  private static func inflate(
    _ stream: inout z_stream, _ input: UnsafeRawBufferPointer, into buffer: inout [UInt8]
  ) -> (status: Int32, read: Int, written: Int) {
    buffer.withUnsafeMutableBufferPointer { output in
      // zlib only reads its input.
      stream.next_in = UnsafeMutablePointer(mutating: input.bindMemory(to: UInt8.self).baseAddress)
      stream.avail_in = UInt32(input.count)
      stream.next_out = output.baseAddress
      stream.avail_out = UInt32(output.count)
      let status = CCompression.inflate(&stream, Z_NO_FLUSH)
      return (status, input.count - Int(stream.avail_in), output.count - Int(stream.avail_out))
    }
  }

  /// Unpacks all frames of a zstd file; skippable frames are skipped.
  ///
  /// - Parameter limit: largest number of bytes of the result.
  static func zstd(_ packed: UnsafeRawBufferPointer, limit: Int) throws(UnpackingError) -> [UInt8] {
    guard let stream = ZSTD_createDStream() else { throw UnpackingError(problem: "libzstd cannot be started") }
    defer { ZSTD_freeDStream(stream) }
    var result: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: step)
    var input = ZSTD_inBuffer(src: packed.baseAddress, size: packed.count, pos: 0)
    while true {
      let (status, written) = buffer.withUnsafeMutableBytes { bytes in
        var output = ZSTD_outBuffer(dst: bytes.baseAddress, size: bytes.count, pos: 0)
        let status = ZSTD_decompressStream(stream, &output, &input)
        return (status, output.pos)
      }
      if ZSTD_isError(status) != 0 {
        throw UnpackingError(problem: "the zstd data is damaged: \(String(cString: ZSTD_getErrorName(status)))")
      }
      result.append(contentsOf: buffer[..<written])
      if result.count > limit { throw .tooLarge(limit) }
      guard input.pos == input.size else { continue }
      // 0: a frame is at its end, and all of it was handed out.
      if status == 0 { return result }
      if written < step { throw .truncated }
    }
  }
}
