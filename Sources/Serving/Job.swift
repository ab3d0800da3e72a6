import Checkpoints
import Foundation
import Synchronization

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

/// What a client is sent: one reply, or the parts of a stream and its end.
enum Delivery: Sendable {
  case reply(Reply)
  /// Server-sent events.
  case events(Data)
  case end
}

/// Something that a client waits for.
final class Job: Sendable {
  enum Work: Sendable {
    case completion(CompletionRequest)
    case tokens(of: String, addSpecialTokens: Bool)
    case text(of: [Int32])
  }

  private enum Progress {
    case waiting, streaming, ended
  }

  let work: Work
  private let progress = Mutex(Progress.waiting)
  private let abandoned = Atomic(false)
  private let deliver: @Sendable (Delivery) -> Void

  /// - Parameter deliver: called with one reply, or with events and their end, on any thread.
  init(_ work: Work, deliver: @escaping @Sendable (Delivery) -> Void) { (self.work, self.deliver) = (work, deliver) }

  /// Whether nobody waits any longer.
  var isAbandoned: Bool { abandoned.load(ordering: .relaxed) }

  func abandon() { abandoned.store(true, ordering: .relaxed) }

  /// Answers, unless that was done already. Who has got a part of a stream gets the answer, an error, as its last event.
  func answer(_ reply: Reply) {
    progress.withLock { progress in
      switch progress {
      case .waiting: deliver(.reply(reply))
      case .streaming:
        deliver(.events(Self.event(reply.body)))
        deliver(.end)
      case .ended: break
      }
      progress = .ended
    }
  }

  /// Sends a part of a stream.
  func send(_ event: JSONValue) {
    progress.withLock { progress in
      if progress == .ended { return }
      progress = .streaming
      deliver(.events(Self.event(Data(event.compact.utf8))))
    }
  }

  /// Ends a stream whose events were sent.
  func endStream() {
    progress.withLock { progress in
      if progress == .ended { return }
      deliver(.events(Self.event(Data("[DONE]".utf8))))
      deliver(.end)
      progress = .ended
    }
  }

  /// - Parameter content: a line.
  private static func event(_ content: Data) -> Data {
    Data("data: ".utf8) + content + Data((content.last == 0x0A ? "\n" : "\n\n").utf8)
  }
}
