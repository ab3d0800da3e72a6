import Foundation

/// A file mapped read-only into memory. Pages are read from disk when they are first touched and may be dropped by the
/// kernel again, so a mapped checkpoint may be larger than memory.
///
/// The mapping lasts as long as this object; pointers into `bytes` must not outlive it. As with every mapping, a file
/// that another process shortens while it is mapped raises SIGBUS on access.
public final class MappedFile: @unchecked Sendable {  // Immutable after init: the bytes are only ever read.
  public let url: URL
  /// The whole file. Empty (with no base address) for an empty file.
  public let bytes: UnsafeRawBufferPointer

  public var path: String { url.path }

  /// - Throws: `CheckpointError.unreadable` with the system's reason; also for anything but a regular file.
  public init(_ url: URL) throws {
    self.url = url
    let path = url.path
    func failure(_ reason: String) -> CheckpointError { .unreadable(path: path, reason: reason) }

    // O_NONBLOCK: opening a pipe must fail below instead of waiting for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw failure(systemMessage(errno)) }
    defer { close(descriptor) }

    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure(systemMessage(errno)) }
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw failure("it is a directory")
    default: throw failure("it is not a regular file")
    }
    let size = Int(status.st_size)
    guard size > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
      throw failure(systemMessage(errno))
    }
    bytes = UnsafeRawBufferPointer(start: address, count: size)
  }

  /// Releases the pages that lie within a part of the file.
  func release(_ part: UnsafeRawBufferPointer) { advise(MADV_DONTNEED, part) }

  /// Lets the system read the pages within a part of the file from disk, unless they are in its cache.
  func prefetch(_ part: UnsafeRawBufferPointer) { advise(MADV_WILLNEED, part) }

  private func advise(_ advice: Int32, _ part: UnsafeRawBufferPointer) {
    guard let base = part.baseAddress else { return }
    let page = sysconf(Int32(_SC_PAGESIZE))
    let start = (Int(bitPattern: base) + page - 1) / page * page
    let end = (Int(bitPattern: base) + part.count) / page * page
    guard start < end, let address = UnsafeMutableRawPointer(bitPattern: start) else { return }
    madvise(address, end - start, advice)
  }

  deinit {
    if let address = bytes.baseAddress {
      munmap(UnsafeMutableRawPointer(mutating: address), bytes.count)
    }
  }
}

/// The system's text for an `errno` value.
func systemMessage(_ code: Int32) -> String {
  guard let text = strerror(code) else { return "error \(code)" }
  return String(cString: text)
}
