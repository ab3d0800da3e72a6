import Foundation
import Runtime
import Studies
import Workbench

/// Evaluates candidates of a study that another process searches, on the same machine or another one.
public struct WorkerSession {
  public enum Outcome: Sendable {
    /// The searching process says that its budget is spent.
    case searchComplete
    case stopped
  }

  public let study: Study
  private let worker: TrialWorker

  /// Opens the study and makes ready whatever evaluations need: the statistics of the calibration windows that the study
  /// holds, and the dense reference.
  ///
  /// - Parameters:
  ///   - address: of the study.
  ///   - path: of the parent, where it is not where the study remembers it.
  ///   - patience: seconds to wait for the study to appear.
  /// - Throws: `PipelineError.noStudy`, `.damaged` for another model, `.invalidOption` for a study that workers cannot help
  ///   with; `CancellationError` if the monitor is cancelled.
  public init(
    _ address: StudyAddress, model path: String?, cache: URL, sharing: StudySharing,
    patience: Double = 0, memory: MemoryPlan, monitor: Monitor
  ) throws {
    let start = Date()
    while try !Self.isThere(address, isLast: Date().timeIntervalSince(start) >= patience) {
      try monitor.advance(.init(.waiting, of: "\(address)"), 0, of: 1)
      Thread.sleep(forTimeInterval: 1)
    }
    let opened = try OpenedStudy(
      address, access: .work, model: path, cache: cache, memory: memory, monitor: monitor)
    if opened.description.settings.rungs > 1 {
      throw PipelineError.invalidOption(
        "\(address): its candidates compete on rungs, which takes one process; workers need a study without --rungs")
    }
    study = opened.study
    try monitor.advance(.init(.reference), 0, of: 1)
    worker = TrialWorker(
      study: opened.study, evaluator: try opened.evaluator(),
      settings: opened.description.settings, optimizer: opened.description.optimizer.name,
      objectives: opened.description.objectives, sharing: sharing)
  }

  private static func isThere(_ address: StudyAddress, isLast: Bool) throws -> Bool {
    if isLast { return true }
    do {
      guard try address.exists() else { return false }
      try address.open(access: .inspect).close()
      return true
    } catch StudyError.noSuchStudy {
      return false
    } catch StudyError.database {
      return false
    } catch StudyError.missing {
      return false
    }
  }

  /// Evaluates portions until the search is complete or the monitor is cancelled.
  ///
  /// - Parameters:
  ///   - evaluated: told after each portion how many trials this worker has evaluated.
  ///   - idle: told the seconds of a minute or more without work, once a minute: perhaps nobody searches the study.
  public func run(_ monitor: Monitor, evaluated: (Int) -> Void, idle: (Int) -> Void) throws -> Outcome {
    var count = 0
    var (last, minutes) = (Date(), 0)
    var failures = FailureRule(generation: 4 * worker.portion)
    while !monitor.isCancelled {
      let done: [String?]
      do {
        done = try worker.work(monitor)
      } catch is CancellationError {
        break
      }
      count += done.count
      try failures.note(done)
      if !done.isEmpty {
        evaluated(count)
        (last, minutes) = (Date(), 0)
      } else {
        if try StudyDescription.isComplete(study) { return .searchComplete }
        let waited = Int(Date().timeIntervalSince(last))
        if waited / 60 > minutes {
          minutes = waited / 60
          idle(waited)
        }
        Thread.sleep(forTimeInterval: worker.sharing.pause)
      }
    }
    return .stopped
  }

  public func close() throws { try study.close() }
}
