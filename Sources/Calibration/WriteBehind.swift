import Dispatch
import Synchronization

/// Writes to disk what a pass computes while the pass goes on, one piece at a time.
final class WriteBehind: Sendable {
  private let queue = DispatchQueue(label: "nas-search.write-behind")
  private let failure = Mutex<(any Error)?>(nil)

  private init() {}

  /// Calls `body` with a writer, and ends when all it was given is written or failed.
  ///
  /// - Throws: what `body` or a piece throws.
  static func during(_ body: (WriteBehind) throws -> Void) throws {
    let writer = WriteBehind()
    defer { writer.queue.sync {} }
    try body(writer)
    try writer.wait()
  }

  /// Waits until the last piece is written, and writes another while the caller goes on: so there is one at a time in memory.
  ///
  /// - Throws: what the last piece threw.
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
