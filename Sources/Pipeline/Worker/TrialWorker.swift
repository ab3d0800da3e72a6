import Checkpoints
import Evaluation
import Foundation
import Runtime
import Studies
import Synchronization
import Workbench

/// Takes waiting trials of a study, evaluates and delivers them, and renews the lease meanwhile.
struct TrialWorker {
  let study: Study
  let description: StudyDescription
  let evaluator: CandidateEvaluator
  let sharing: SharingRequest
  /// A name that no other process has.
  let name = Self.freshName

  /// Seconds between looks at a study where nothing waits.
  static let pause = 0.2

  /// Host, process and a random part: a container may number its processes as another does.
  private static var freshName: String {
    let process = ProcessInfo.processInfo
    return "\(process.hostName) \(process.processIdentifier) \(String(UInt32.random(in: 0...UInt32.max), radix: 16))"
  }

  /// Trials that are run together (`GenerationEvaluator`).
  var portion: Int {
    sharing.portion
      ?? max(1, description.optimizer.name.batch(population: description.settings.population) / 4)
  }

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
    let claimed = try study.claim(limit: portion, worker: name)
    if claimed.isEmpty { return [] }
    let numbers = claimed.map(\.ordinal)
    let heartbeat = Heartbeat(every: sharing.lease / 4) { [study, name] in
      // What cannot be renewed now may be the next time; what expires meanwhile is delivered all the same.
      _ = try? study.renew(numbers, worker: name)
    }
    defer { heartbeat.stop() }
    let begun = Date()
    let genes = claimed.map { evaluator.bound.genes($0.genome) }
    let objectives = description.objectives
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
            measurement: measurement, score: genes[place].score, calibration: genes[place].statistics,
            seconds: seconds, windows: WindowRecord(comparison))
          try study.deliver(
            numbers[place], values: objectives.values(measurement), attributes: try description.attributes(),
            worker: name, reproducible: objectives.all.map(\.isReproducible))
          reasons.append(nil)
        case .failure(let failure):
          try study.deliver(numbers[place], failure: failure.reason, worker: name)
          reasons.append(failure.reason)
        }
      }
    } catch {
      try? study.release(numbers, worker: name)
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
