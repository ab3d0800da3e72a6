import CNumerics
import Foundation
import Synchronization

/// How the package uses cores: work is split over *our* threads (token windows, layers), and each calls BLAS
/// single-threaded. This scales better than threaded BLAS on matrices of this size. It also keeps results independent
/// of the number of threads, because that number never splits a reduction. If there are fewer tasks than cores, each
/// task has its share of the cores for the work that it starts itself.
public enum Threads {
  /// Number of workers: `NAS_SEARCH_THREADS` if it is set, else the machine's active cores.
  public static let count: Int = {
    openblas_set_num_threads(1)
    if let text = ProcessInfo.processInfo.environment["NAS_SEARCH_THREADS"], let number = Int(text), number > 0 {
      return number
    }
    return max(1, ProcessInfo.processInfo.activeProcessorCount)
  }()

  /// Workers available to work that is started in this task.
  @TaskLocal public static var idle: Int = count

  /// Workers that each task may use, if `tasks` tasks share the idle workers.
  public static func share(among tasks: Int) -> Int { max(1, idle / max(1, tasks)) }

  /// Runs `body(task, worker)` for every task. At most `count` run at once, and no two at the same time share `worker`.
  ///
  /// The first error thrown (by task order) is rethrown after all running tasks ended.
  ///
  /// - Parameter most: largest number of tasks that run at the same time (`MemoryPlan.tasks(ofBytes:)`). If that is
  ///   one, what the task calls may use all workers.
  public static func forEach(
    _ tasks: Int, atMost most: Int = .max, _ body: @Sendable (_ task: Int, _ worker: Int) throws -> Void
  ) throws {
    try run(tasks, workers: min(idle, tasks, most), body)
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

  /// The same, watched by a monitor, which hears from the calling thread alone.
  public static func forEach(
    _ tasks: Int, atMost most: Int, of stage: Monitor.Stage, _ monitor: Monitor,
    _ body: @Sendable (_ task: Int, _ worker: Int) throws -> Void
  ) throws {
    if tasks > 0 { try monitor.advance(stage, 0, of: tasks) }
    let done = Atomic(0)
    try forEach(tasks, atMost: most) { task, worker in
      // Worker 0 is the calling thread.
      if worker == 0 { try monitor.advance(stage, done.load(ordering: .relaxed), of: tasks) }
      try body(task, worker)
      done.add(1, ordering: .relaxed)
    }
  }

  /// Runs `body(item, lane, worker)` for every item: item `i` belongs to lane `i % lanes`. Items of one lane run one
  /// after another in order; items of different lanes run at once.
  public static func forEach(
    _ items: Int, inLanes lanes: Int, _ body: @Sendable (_ item: Int, _ lane: Int, _ worker: Int) throws -> Void
  ) throws {
    let workers = min(idle, lanes)
    let queues = LaneQueues(items: items, lanes: lanes)
    try run(workers, workers: workers) { _, worker in
      while let (item, lane) = queues.take() {
        do { try body(item, lane, worker) } catch {
          queues.end()
          throw error
        }
        queues.giveBack(lane)
      }
    }
  }

  /// The same for work that cannot fail, on a limited number of workers.
  public static func forEach(_ tasks: Int, workers most: Int, _ body: @Sendable (_ task: Int, _ worker: Int) -> Void) {
    do { try run(tasks, workers: min(idle, tasks, most), body) } catch {
      preconditionFailure("nothing throws: \(error)")
    }
  }

  /// The same for work that cannot fail.
  public static func forEach(_ tasks: Int, _ body: @Sendable (_ task: Int) -> Void) {
    forEach(tasks, workers: .max) { task, _ in body(task) }
  }
}

/// The items that each lane has left, and the lanes that are at work.
private final class LaneQueues: Sendable {
  private let items: Int
  /// The next item of each lane.
  private let lanes: Mutex<[(next: Int, isFree: Bool)]>

  init(items: Int, lanes: Int) {
    self.items = items
    self.lanes = Mutex((0..<lanes).map { ($0, true) })
  }

  /// The next item of the free lane with most items left, so that no lane runs alone at the end.
  func take() -> (item: Int, lane: Int)? {
    lanes.withLock { lanes in
      let ready = lanes.indices.filter { lanes[$0].isFree && lanes[$0].next < items }
      guard let lane = ready.min(by: { lanes[$0].next < lanes[$1].next }) else { return nil }
      defer { lanes[lane] = (lanes[lane].next + lanes.count, false) }
      return (lanes[lane].next, lane)
    }
  }

  func giveBack(_ lane: Int) { lanes.withLock { $0[lane].isFree = true } }

  func end() { lanes.withLock { for lane in $0.indices { $0[lane].next = items } } }
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
