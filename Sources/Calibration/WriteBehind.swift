import Dispatch
import Synchronization

/// Writes the results of a pass to disk while the pass goes on, one piece at a time.
final class WriteBehind: Sendable {
  private let queue = DispatchQueue(label: "nas-search.write-behind")
  private let failure = Mutex<(any Error)?>(nil)

  private init() {}

  /// Calls `body` with a writer, and returns when all pieces are written or one has failed.
  ///
  /// - Throws: the errors of `body` and of the pieces.
  static func during(_ body: (WriteBehind) throws -> Void) throws {
    let writer = WriteBehind()
    defer { writer.queue.sync {} }
    try body(writer)
    try writer.wait()
  }

  /// Waits until the last piece is written, then writes another while the caller goes on. So one piece at a time is in
  /// memory.
  ///
  /// - Throws: the error of the last piece.
  func write(_ piece: @escaping @Sendable () throws -> Void) throws {
    try wait()
    queue.async {
      do { try piece() } catch { self.failure.withLock { $0 = error } }
    }
  }

  private func wait() throws {
    queue.sync {}
    if let error = failure.withLock({ $0 }) { throw error }
  }
}
