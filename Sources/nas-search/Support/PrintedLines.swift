import Synchronization

/// Lines of a result that are printed while a job runs. If one cannot be printed, the job is to end.
final class PrintedLines: Sendable {
  private let failure = Mutex<(any Error)?>(nil)

  var haveFailed: Bool { failure.withLock { $0 != nil } }

  func print(_ line: String) {
    do { try Console.print(line) } catch { failure.withLock { $0 = $0 ?? error } }
  }

  /// - Throws: why a line could not be printed.
  func check() throws { if let error = failure.withLock({ $0 }) { throw error } }
}
