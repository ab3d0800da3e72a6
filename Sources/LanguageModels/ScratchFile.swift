import Foundation
import LinearAlgebra

/// Matrices of one shape kept on disk for a while, in a file without a name that vanishes with its owner.
///
/// What is written lies in the operating system's cache while there is room, and does not count as this process's memory.
final class ScratchFile {
  private let descriptor: Int32
  private let folder: String
  private let rows: Int
  private let columns: Int
  private var bytes: Int { rows * columns * MemoryLayout<Float>.size }

  /// - Parameters:
  ///   - folder: an existing folder on a disk with room for all that is written.
  ///   - rows, columns: shape of every matrix.
  /// - Throws: `ModelError.scratch`.
  init(in folder: URL, rows: Int, columns: Int) throws(ModelError) {
    self.folder = folder.path
    self.rows = rows
    self.columns = columns
    let name = folder.appendingPathComponent(".scratch-\(getpid())-\(UInt64.random(in: .min ... .max))").path
    descriptor = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    if descriptor < 0 { throw .scratch(folder: folder.path, problem: String(cString: strerror(errno))) }
    unlink(name)
  }

  deinit { close(descriptor) }

  /// Writes matrix number `index`.
  func write(_ matrix: Matrix<Float>, at index: Int) throws(ModelError) {
    precondition(matrix.rows == rows && matrix.columns == columns && matrix.stride == columns, "another shape")
    try move(index) { pwrite(descriptor, UnsafeRawPointer(matrix.pointer) + $0, $1, $2) }
  }

  /// Reads matrix number `index`, which was written before.
  func read(_ index: Int, into matrix: Matrix<Float>) throws(ModelError) {
    precondition(matrix.rows == rows && matrix.columns == columns && matrix.stride == columns, "another shape")
    try move(index) { pread(descriptor, UnsafeMutableRawPointer(matrix.pointer) + $0, $1, $2) }
  }

  private func move(_ index: Int, _ transfer: (_ done: Int, _ count: Int, _ offset: off_t) -> Int) throws(ModelError) {
    var done = 0
    while done < bytes {
      let count = transfer(done, bytes - done, off_t(index * bytes + done))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw .scratch(folder: folder, problem: count < 0 ? String(cString: strerror(errno)) : "the file is too short")
      }
      done += count
    }
  }
}
