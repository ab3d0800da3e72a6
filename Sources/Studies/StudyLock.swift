import Foundation

/// A lock file that one process at a time holds. The kernel drops the lock when the process ends in any way.
final class StudyLock: Sendable {
  private let descriptor: Int32
  private let path: String

  /// Takes the lock, or throws an error with the process that has it.
  ///
  /// - Parameters:
  ///   - path: the lock file; created if missing. It holds the number of the process that has the lock.
  ///   - directory: the study's directory, for the error.
  /// - Throws: `StudyError.inUse`, `StudyError.file`.
  init(path: String, directory: String) throws(StudyError) {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    if descriptor < 0 { throw .file(path: path, reason: Self.reason()) }
    if flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      let code = errno
      let holder = Self.processNumber(in: descriptor)
      close(descriptor)
      if code == EWOULDBLOCK { throw .inUse(path: directory, process: holder) }
      throw .file(path: path, reason: String(cString: strerror(code)))
    }
    (self.descriptor, self.path) = (descriptor, path)
    let number = Array("\(getpid())\n".utf8)
    if ftruncate(descriptor, 0) != 0 || pwrite(descriptor, number, number.count, 0) != number.count {
      throw .file(path: path, reason: Self.reason())
    }
  }

  deinit {
    // A process that another thread is starting has a copy of the descriptor until it runs its own program.
    release()
    close(descriptor)
  }

  /// Whether the lock file is still in its place. If somebody removed it, another process may have made its own there,
  /// and what lies beside it is that process's.
  var isInPlace: Bool {
    var (held, found) = (stat(), stat())
    return fstat(descriptor, &held) == 0 && stat(path, &found) == 0
      && (held.st_dev, held.st_ino) == (found.st_dev, found.st_ino)
  }

  /// - Throws: `StudyError.file` if the lock file is not in its place.
  func requirePlace() throws(StudyError) {
    if !isInPlace { throw .file(path: path, reason: "it was removed; a study that is there now is another process's") }
  }

  /// Releases the lock.
  func release() {
    _ = flock(descriptor, LOCK_UN)
  }

  private static func processNumber(in descriptor: Int32) -> Int? {
    var buffer = [UInt8](repeating: 0, count: 32)
    let count = pread(descriptor, &buffer, buffer.count, 0)
    return count > 0 ? Int(String(decoding: buffer[..<count], as: UTF8.self).filter(\.isNumber)) : nil
  }

  static func reason() -> String { String(cString: strerror(errno)) }
}
