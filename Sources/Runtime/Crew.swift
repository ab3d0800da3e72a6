import CKernels
import Foundation
import Synchronization

/// Helper threads that share in a caller's work and stay awake for a while between two jobs.
///
/// A sleeping thread needs about a tenth of a millisecond to work again, longer than many products take: generating
/// text starts a hundred thousand pieces of work a minute. So a helper without work looks for some for a fraction of a
/// millisecond before it sleeps. A caller begins at once and waits only for helpers that took a place in its job.
final class Crew: Sendable {
  static let shared = Crew(helpers: Threads.count - 1)

  /// Number of looks before a waiting thread sleeps, with a pause of some ten nanoseconds between two.
  private static let patience = 1 << 13

  /// A job that several workers do together.
  private final class Job: Sendable {
    /// Called by each worker with its number.
    private let call: @convention(c) (UnsafeRawPointer, Int) -> Void
    private nonisolated(unsafe) let context: UnsafeRawPointer
    private let places: Int
    private let taken = Atomic(1)
    /// Helpers that work on this job.
    let helpers = Atomic(0)

    init(_ context: UnsafeRawPointer, places: Int, _ call: @escaping @convention(c) (UnsafeRawPointer, Int) -> Void) {
      (self.context, self.places, self.call) = (context, places, call)
    }

    /// Takes a place for a helper if one is free. The caller holds the lock under which the job is open.
    func enter() -> Int? {
      let place = taken.load(ordering: .relaxed)
      if place >= places { return nil }
      taken.store(place + 1, ordering: .relaxed)
      helpers.add(1, ordering: .relaxed)
      return place
    }

    func work(at place: Int) { call(context, place) }
  }

  /// Jobs that have not ended.
  private let open = Mutex<[Job]>([])
  /// Number of jobs so far.
  private let posted = Atomic(0)
  private let sleepers = Atomic(0)
  private let alarm = NSCondition()
  /// Sleeping callers that wait for the helpers of a job.
  private let waiters = Atomic(0)
  private let ended = NSCondition()

  private init(helpers: Int) {
    for _ in 0..<max(0, helpers) {
      let thread = Thread { [unowned self] in help() }
      thread.stackSize = 8 << 20
      thread.name = "nas-search helper"
      thread.start()
    }
  }

  /// Runs `body(worker)` here, as worker 0, and on free helpers, at most `workers` − 1. Returns when all of them have
  /// ended.
  func run(workers: Int, _ body: (_ worker: Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      withUnsafePointer(to: body) { pointer in
        let job = Job(pointer, places: workers) { context, worker in
          context.assumingMemoryBound(to: ((Int) -> Void).self).pointee(worker)
        }
        open.withLock { $0.append(job) }
        posted.add(1, ordering: .sequentiallyConsistent)
        if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
          alarm.withLock { for _ in 1..<workers { alarm.signal() } }
        }
        job.work(at: 0)
        open.withLock { open in
          if let place = open.firstIndex(where: { $0 === job }) { open.remove(at: place) }
        }
        wait(for: job)
      }
    }
  }

  /// Waits without sleep for the limited number of looks.
  ///
  /// - Returns: `true` if the condition came true.
  private static func looks(until condition: () -> Bool) -> Bool {
    for _ in 0..<patience {
      if condition() { return true }
      nas_spin_pause()
    }
    return false
  }

  private func wait(for job: Job) {
    if Self.looks(until: { job.helpers.load(ordering: .acquiring) == 0 }) { return }
    waiters.add(1, ordering: .sequentiallyConsistent)
    ended.withLock { while job.helpers.load(ordering: .sequentiallyConsistent) > 0 { ended.wait() } }
    waiters.subtract(1, ordering: .sequentiallyConsistent)
  }

  /// The loop of a helper.
  private func help() {
    while true {
      let known = posted.load(ordering: .sequentiallyConsistent)
      if let (job, place) = place() {
        job.work(at: place)
        // The waiting caller then goes on, and the closure is gone.
        let left = job.helpers.subtract(1, ordering: .sequentiallyConsistent).newValue
        if left == 0, waiters.load(ordering: .sequentiallyConsistent) > 0 { ended.withLock { ended.broadcast() } }
      } else {
        wait(while: known)
      }
    }
  }

  private func place() -> (job: Job, place: Int)? {
    open.withLock { open in
      for job in open { if let place = job.enter() { return (job, place) } }
      return nil
    }
  }

  private func wait(while known: Int) {
    if Self.looks(until: { posted.load(ordering: .relaxed) != known }) { return }
    sleepers.add(1, ordering: .sequentiallyConsistent)
    alarm.withLock { while posted.load(ordering: .sequentiallyConsistent) == known { alarm.wait() } }
    sleepers.subtract(1, ordering: .sequentiallyConsistent)
  }
}
