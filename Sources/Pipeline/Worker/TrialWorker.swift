import Dispatch
import Foundation
import Runtime
import Studies
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
    let heartbeat = DispatchSource.makeTimerSource()
    heartbeat.schedule(deadline: .now() + sharing.lease / 4, repeating: sharing.lease / 4)
    // What cannot be renewed now may be the next time; what expires meanwhile is delivered all the same.
    heartbeat.setEventHandler { [study, name] in _ = try? study.renew(numbers, worker: name) }
    heartbeat.activate()
    defer { heartbeat.cancel() }
    let objectives = description.objectives
    var reasons: [String?] = []
    do {
      let found = try evaluator.trials(
        claimed.map { evaluator.bound.genes($0.genome) },
        rungs: FidelityRungs(windows: evaluator.reference.windows.count, count: 1), monitor: monitor
      ) { _ in [] }
      for (number, found) in zip(numbers, found) {
        switch found {
        case .success(let trial):
          try study.deliver(
            number, values: objectives.values(trial.measurement), attributes: try trial.attributes(), worker: name,
            reproducible: objectives.all.map(\.isReproducible))
          reasons.append(nil)
        case .failure(let failure):
          try study.deliver(number, failure: failure.reason, worker: name)
          reasons.append(failure.reason)
        }
      }
    } catch {
      try? study.release(numbers, worker: name)
      throw error
    }
    return reasons
  }
}
