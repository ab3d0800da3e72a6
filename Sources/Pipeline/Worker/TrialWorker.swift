import Checkpoints
import Evaluation
import Foundation
import Runtime
import Studies
import Synchronization
import Workbench

/// How the candidates of a study are shared among processes.
public struct StudySharing: Sendable {
  /// A name that no other process has.
  public var worker: String
  /// Candidates that a process takes at once, run together (`GenerationEvaluator`); `nil` for a quarter of what the optimiser
  /// gives out together.
  public var portion: Int?
  /// Seconds without a sign of life after which a portion is given to someone else.
  public var lease: Double
  /// Whether the searching process evaluates, too.
  public var evaluates: Bool
  /// Seconds between looks at a study where nothing waits.
  public var pause = 0.2

  public init(_ request: SharingRequest) {
    worker = Self.freshName
    (portion, lease, evaluates) = (request.portion, request.lease, request.evaluates)
  }

  /// Host, process and a random part: a container may number its processes as another does.
  private static var freshName: String {
    let process = ProcessInfo.processInfo
    return "\(process.hostName) \(process.processIdentifier) \(String(UInt32.random(in: 0...UInt32.max), radix: 16))"
  }
}

/// Takes waiting trials of a study, evaluates and delivers them, and renews the lease meanwhile.
struct TrialWorker {
  let study: Study
  let evaluator: CandidateEvaluator
  let settings: SearchSettings
  let optimizer: SearchOptimizer
  let objectives: ObjectiveList
  let sharing: StudySharing

  var portion: Int { sharing.portion ?? max(1, optimizer.batch(population: settings.population) / 4) }

  /// How often the lease of one trial may expire before the trial is taken for what kills the workers.
  private static let attempts = 5

  /// Makes trials wait again whose worker is gone.
  func expire() throws { try study.expire(lease: sharing.lease, attempts: Self.attempts) }

  /// Evaluates one portion.
  ///
  /// - Returns: for each trial the reason of its failure, `nil` for a result; empty if nothing waits.
  /// - Throws: `CancellationError` if the monitor is cancelled; the portion waits again then, as after every other error.
  func work(_ monitor: Monitor) throws -> [String?] {
    try expire()
    let claimed = try study.claim(limit: portion, worker: sharing.worker)
    if claimed.isEmpty { return [] }
    let numbers = claimed.map(\.ordinal)
    let heartbeat = Heartbeat(every: sharing.lease / 4) { [study, sharing] in
      // What cannot be renewed now may be the next time; what expires meanwhile is delivered all the same.
      _ = try? study.renew(numbers, worker: sharing.worker)
    }
    defer { heartbeat.stop() }
    let begun = Date()
    let genes = claimed.map { evaluator.bound.genes($0.genome) }
    var reasons: [String?] = []
    do {
      let found = try CandidateFailure.caught(genes, isFatal: Self.hitsEveryCandidate) { genes in
        try evaluator.compare(genes, monitor: monitor).comparisons
      }
      let seconds = Date().timeIntervalSince(begun) / Double(claimed.count)
      for (place, found) in found.enumerated() {
        switch found {
        case .success(let comparison):
          let measurement = evaluator.measurement(of: genes[place], Quality(comparison))
          let description = TrialDescription(
            measurement, genes[place], seconds: seconds, windows: WindowRecord(comparison), predicted: nil)
          try study.deliver(
            numbers[place], values: objectives.values(measurement), attributes: try description.attributes(),
            worker: sharing.worker, reproducible: objectives.all.map(\.isReproducible))
          reasons.append(nil)
        case .failure(let failure):
          try study.deliver(numbers[place], failure: failure.reason, worker: sharing.worker)
          reasons.append(failure.reason)
        }
      }
    } catch {
      try? study.release(numbers, worker: sharing.worker)
      throw error
    }
    return reasons
  }

  /// True for an error that says nothing about the candidate: a file that is gone or damaged, or a study that cannot be
  /// written.
  static func hitsEveryCandidate(_ error: any Error) -> Bool { error is CheckpointError || error is StudyError }
}

/// Does something again and again on a thread of its own until it is stopped.
private final class Heartbeat: Sendable {
  private let isStopped = Mutex(false)

  init(every seconds: Double, _ beat: @escaping @Sendable () -> Void) {
    let thread = Thread { [self] in
      var last = Date()
      while !isStopped.withLock({ $0 }) {
        Thread.sleep(forTimeInterval: min(0.2, seconds / 4))
        if Date().timeIntervalSince(last) < seconds { continue }
        last = Date()
        if !isStopped.withLock({ $0 }) { beat() }
      }
    }
    thread.start()
  }

  func stop() { isStopped.withLock { $0 = true } }
}
