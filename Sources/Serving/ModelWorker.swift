import Checkpoints
import Foundation
import LanguageModels
import Synchronization
import Tokenizers

/// What a client gets.
struct Reply: Sendable {
  let status: Int
  let body: Data
  /// Beside those that every answer has.
  var headers: [(name: String, value: String)] = []

  init(_ value: JSONValue, status: Int = 200) {
    (self.status, body) = (status, Data((value.compact + "\n").utf8))
  }

  init(_ problem: RequestProblem, retrySeconds: Int = ServingLimits.standard.retrySeconds) {
    self.init(problem.body, status: problem.status)
    if problem.status == 503 { headers.append(("Retry-After", "\(retrySeconds)")) }
  }
}

/// Something that a client waits for.
final class Job: Sendable {
  enum Work: Sendable {
    case completion(CompletionRequest)
    case tokens(of: String, addSpecialTokens: Bool)
    case text(of: [Int32])
  }

  let work: Work
  private let given = Atomic(false)
  private let abandoned = Atomic(false)
  private let deliver: @Sendable (Reply) -> Void

  /// - Parameter deliver: called once, on any thread.
  init(_ work: Work, deliver: @escaping @Sendable (Reply) -> Void) { (self.work, self.deliver) = (work, deliver) }

  /// Whether nobody waits any longer.
  var isAbandoned: Bool { abandoned.load(ordering: .relaxed) }

  func abandon() { abandoned.store(true, ordering: .relaxed) }

  func answer(_ reply: Reply) { if !given.exchange(true, ordering: .relaxed) { deliver(reply) } }
}

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
