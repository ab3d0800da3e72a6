import CNumerics
import Foundation
import Synchronization

/// How the package uses cores: work is split over *our* threads (token windows, layers), and each calls BLAS
/// single-threaded. That scales better than threaded BLAS on matrices of this size, and keeps results independent of
/// the number of threads, because no reduction is ever split by it. Where tasks are fewer than cores, each has its share of
/// them for what it starts itself.
public enum Threads {
  /// Number of workers: `NAS_SEARCH_THREADS` where set, else the machine's active cores.
  public static let count: Int = {
    openblas_set_num_threads(1)
    if let text = ProcessInfo.processInfo.environment["NAS_SEARCH_THREADS"], let number = Int(text), number > 0 {
      return number
    }
    return max(1, ProcessInfo.processInfo.activeProcessorCount)
  }()

  /// Workers that what is started here runs on.
  @TaskLocal static var idle: Int = count

  /// Of the workers that what is started here runs on, those that each of some tasks has to itself.
  public static func share(among tasks: Int) -> Int { max(1, idle / max(1, tasks)) }

  /// Runs `body(task, worker)` for every task; at most `count` run at once, and no two at the same time share `worker`.
  ///
  /// The first error thrown (by task order) is rethrown after all running tasks ended.
  ///
  /// - Parameter bytesEach: memory that a task takes; no more run at once than fit into three quarters of `MemoryLimit`. Where
  ///   that is one, what it calls may use all workers.
  public static func forEach(
    _ tasks: Int, bytesEach: Int = 0, _ body: @Sendable (_ task: Int, _ worker: Int) throws -> Void
  ) throws {
    let fitting = bytesEach == 0 ? tasks : max(1, MemoryLimit.bytes / 4 * 3 / bytesEach)
    try run(tasks, workers: min(idle, tasks, fitting), body)
  }

  private static func run(
    _ tasks: Int, workers: Int, _ body: @Sendable (_ task: Int, _ worker: Int) throws -> Void
  ) throws {
    if workers <= 1 {
      for task in 0..<tasks { try body(task, 0) }
      return
    }
    let share = share(among: workers)
    let next = Atomic(0)
    let failure = FirstError()
    Crew.shared.run(workers: workers) { worker in
      $idle.withValue(share) {
        while !failure.exists {
          let task = next.add(1, ordering: .relaxed).oldValue
          if task >= tasks { return }
          do { try body(task, worker) } catch { failure.record(error, task: task) }
        }
      }
    }
    try failure.rethrow()
  }

  /// The same, a few tasks at a time, so that their progress can be told from here.
  ///
  /// - Parameter progress: told of the tasks that are done; what it throws ends the work.
  public static func forEach(
    _ tasks: Int, bytesEach: Int, progress: (_ done: Int, _ total: Int) throws -> Void,
    _ body: @Sendable (_ task: Int, _ worker: Int) throws -> Void
  ) throws {
    for start in stride(from: 0, to: tasks, by: 2 * count) {
      try progress(start, tasks)
      try forEach(min(2 * count, tasks - start), bytesEach: bytesEach) { try body(start + $0, $1) }
    }
  }

  /// The same for work that cannot fail, on no more than some workers.
  public static func forEach(_ tasks: Int, workers most: Int, _ body: @Sendable (_ task: Int, _ worker: Int) -> Void) {
    do { try run(tasks, workers: min(idle, tasks, most), body) } catch {
      preconditionFailure("nothing throws: \(error)")
    }
  }

  /// The same for work that cannot fail.
  static func forEach(_ tasks: Int, _ body: @Sendable (_ task: Int) -> Void) {
    do { try forEach(tasks) { task, _ in body(task) } } catch { preconditionFailure("nothing throws: \(error)") }
  }
}

private final class FirstError: Sendable {
  private let recorded = Mutex<(task: Int, error: any Error)?>(nil)
  private let flag = Atomic(false)

  var exists: Bool { flag.load(ordering: .relaxed) }

  func record(_ error: any Error, task: Int) {
    recorded.withLock { recorded in
      if recorded.map({ task < $0.task }) ?? true { recorded = (task, error) }
    }
    flag.store(true, ordering: .relaxed)
  }

  func rethrow() throws {
    if let error = recorded.withLock({ $0?.error }) { throw error }
  }
}
