import Foundation
import Synchronization

/// Does the jobs that wait, one computation at a time on a thread of its own; what waits together is computed together.
final class ModelWorker: Sendable {
  /// Most requests that are computed together: the others come sooner to their turn.
  private static let together = 32

  private struct State {
    var waiting: [Job] = []
    var running: [Job] = []
    var isClosed = false
  }

  private let completer: Completer
  private let limits: ServingLimits
  private let state = Mutex(State())
  private let alarm = DispatchSemaphore(value: 0)
  private let ended = DispatchSemaphore(value: 0)

  init(_ completer: Completer, _ limits: ServingLimits) {
    (self.completer, self.limits) = (completer, limits)
    let thread = Thread { [self] in run() }
    thread.name = "nas-search model"
    thread.stackSize = 8 << 20
    thread.start()
  }

  /// Requests that wait.
  var waiting: Int { state.withLock { $0.waiting.count } }

  /// - Throws: `RequestProblem` if too many wait already.
  func submit(_ job: Job) throws(RequestProblem) {
    let problem: RequestProblem? = state.withLock { state in
      if state.isClosed { return Self.closing }
      // Nobody waits for those whose clients have gone.
      state.waiting.removeAll(where: \.isAbandoned)
      if state.waiting.count >= limits.waiting {
        return .unavailable("\(limits.waiting) requests wait already; come back later", code: "queue_full")
      }
      state.waiting.append(job)
      return nil
    }
    if let problem { throw problem }
    alarm.signal()
  }

  private static let closing = RequestProblem.unavailable("the server is about to end", code: "shutting_down")

  /// Ends after the token at work; whoever waits is told so.
  func stop() {
    let jobs = state.withLock { state in
      state.isClosed = true
      defer { state.waiting = [] }
      return state.waiting + state.running
    }
    for job in jobs {
      job.answer(Reply(Self.closing, retrySeconds: limits.retrySeconds))
      job.abandon()
    }
    alarm.signal()
    ended.wait()
  }

  private func run() {
    defer { ended.signal() }
    while true {
      alarm.wait()
      let jobs: [Job]? = state.withLock { state in
        if state.isClosed { return nil }
        let taken = Array(state.waiting.prefix(Self.together))
        state.waiting.removeFirst(taken.count)
        state.running = taken
        // One signal for each job that still waits is left, or more.
        return taken
      }
      guard let jobs else { return }
      completer.answer(jobs.filter { !$0.isAbandoned })
      state.withLock { $0.running = [] }
    }
  }
}
