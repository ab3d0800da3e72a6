import Foundation
import LinearAlgebra
import Synchronization

/// Matrices kept on disk for a while, in a file without a name that vanishes with its owner.
///
/// What is written lies in the operating system's cache while there is room, and does not count as this process's memory.
final class ScratchFile: Sendable {
  /// Where a matrix lies.
  struct Place: Sendable {
    fileprivate let offset: Int
    let rows: Int
    let columns: Int
  }

  private let descriptor: Int32
  private let folder: String
  private let end = Mutex(0)

  /// - Parameter folder: an existing folder on a disk with room for all that is written.
  /// - Throws: `ModelError.scratch`.
  init(in folder: URL) throws(ModelError) {
    self.folder = folder.path
    let name = folder.appendingPathComponent(".scratch-\(getpid())-\(UInt64.random(in: .min ... .max))").path
    descriptor = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    if descriptor < 0 { throw .scratch(folder: folder.path, problem: String(cString: strerror(errno))) }
    unlink(name)
  }

  deinit { close(descriptor) }

  /// Writes a matrix behind what is there.
  func append(_ matrix: Matrix<Float>) throws(ModelError) -> Place {
    let bytes = matrix.count * MemoryLayout<Float>.size
    let offset = end.withLock { end in
      defer { end += bytes }
      return end
    }
    let place = Place(offset: offset, rows: matrix.rows, columns: matrix.columns)
    try write(matrix, to: place)
    return place
  }

  /// Writes a matrix over one of the same shape.
  func write(_ matrix: Matrix<Float>, to place: Place) throws(ModelError) {
    precondition(matrix.rows == place.rows && matrix.columns == place.columns, "another shape")
    let whole = matrix.isContiguous ? matrix : matrix.copy()
    try move(place) { pwrite(descriptor, UnsafeRawPointer(whole.pointer) + $0, $1, $2) }
  }

  /// Reads the first rows of a matrix, as many as another of its columns has, into that.
  func read(_ place: Place, into matrix: Matrix<Float>) throws(ModelError) {
    precondition(
      matrix.rows <= place.rows && matrix.columns == place.columns && matrix.isContiguous, "another shape")
    let first = Place(offset: place.offset, rows: matrix.rows, columns: place.columns)
    try move(first) { pread(descriptor, UnsafeMutableRawPointer(matrix.pointer) + $0, $1, $2) }
  }

  func read(_ place: Place) throws(ModelError) -> Matrix<Float> {
    let matrix = Matrix<Float>(uninitialized: place.rows, columns: place.columns)
    try read(place, into: matrix)
    return matrix
  }

  private func move(
    _ place: Place, _ transfer: (_ done: Int, _ count: Int, _ offset: off_t) -> Int
  ) throws(ModelError) {
    let bytes = place.rows * place.columns * MemoryLayout<Float>.size
    var done = 0
    while done < bytes {
      let count = transfer(done, bytes - done, off_t(place.offset + done))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw .scratch(folder: folder, problem: count < 0 ? String(cString: strerror(errno)) : "the file is too short")
      }
      done += count
    }
  }
}
