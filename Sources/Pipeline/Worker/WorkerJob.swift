import Foundation
import Runtime
import Studies

/// A study that a worker is to evaluate candidates of.
public struct WorkerRequest: Codable, Equatable, Sendable {
  /// Address of the study.
  public var study: String
  /// The parent, if it is not where the study remembers it.
  public var model: String?
  public var sharing = SharingRequest()
  /// Seconds to wait for the study to appear.
  public var patience = 0.0

  public static let standard = WorkerRequest(study: "")

  public init(study: String) { self.study = study }

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    try PipelineError.require(!study.isEmpty, "the study's address is empty")
    try PipelineError.require(patience >= 0, "--wait must not be negative")
    try sharing.validate()
  }
}

/// Evaluates candidates of a study that another process searches, on the same machine or another one.
public struct WorkerJob {
  public enum Event: Monitor.Event {
    /// Everything is ready; the address of the study.
    case ready(study: String)
    /// Candidates that this worker has evaluated so far.
    case evaluated(Int)
    /// Seconds without candidates, told once a minute.
    case idle(seconds: Int)
  }

  public enum Outcome: Sendable {
    /// The searching process says that its budget is spent.
    case searchComplete
    case stopped
  }

  private let request: WorkerRequest
  private let context: JobContext

  public init(_ request: WorkerRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  /// Waits for the study, opens it and makes ready whatever evaluations need: the statistics of the calibration windows that
  /// the study holds, and the dense reference.
  ///
  /// - Throws: `PipelineError.noStudy`, `.damaged` for another model, `.invalidOption` for a study that workers cannot help
  ///   with; `CancellationError` if the monitor is cancelled.
  func prepare(_ monitor: Monitor) throws -> TrialWorker {
    let (address, start) = (try StudyAddress(request.study), Date())
    while try !Self.isThere(address, isLast: Date().timeIntervalSince(start) >= request.patience) {
      try monitor.advance(.init(.waiting, of: "\(address)"), 0, of: 1)
      Thread.sleep(forTimeInterval: 1)
    }
    let opened = try OpenedStudy(request.study, access: .work, model: request.model, in: context, monitor)
    if opened.description.settings.rungs > 1 {
      throw PipelineError.invalidOption(
        "\(address): its candidates compete on rungs, which takes one process; workers need a study without --rungs")
    }
    try monitor.advance(.init(.reference), 0, of: 1)
    return TrialWorker(
      study: opened.study, description: opened.description, evaluator: try opened.searchingEvaluator(monitor),
      sharing: request.sharing)
  }

  private static func isThere(_ address: StudyAddress, isLast: Bool) throws -> Bool {
    if isLast { return true }
    do {
      guard try address.exists() else { return false }
      try address.open(access: .inspect).close()
      return true
    } catch StudyError.noSuchStudy, StudyError.database, StudyError.missing {
      return false
    }
  }

  /// - Parameter monitor: hears every `Event`; if it is cancelled, the candidates at hand are given back.
  public func run(_ monitor: Monitor = .silent) throws -> Outcome {
    try request.validate()
    let worker: TrialWorker
    do {
      worker = try prepare(monitor)
    } catch is CancellationError {
      return .stopped
    }
    monitor.tell(Event.ready(study: "\(worker.study)"))
    let outcome = try work(worker, monitor)
    try worker.study.close()
    return outcome
  }

  /// Evaluates portions until the search is complete or the monitor is cancelled.
  private func work(_ worker: TrialWorker, _ monitor: Monitor) throws -> Outcome {
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
        monitor.tell(Event.evaluated(count))
        (last, minutes) = (Date(), 0)
      } else {
        if try StudyDescription.isComplete(worker.study) { return .searchComplete }
        let waited = Int(Date().timeIntervalSince(last))
        if waited / 60 > minutes {
          minutes = waited / 60
          monitor.tell(Event.idle(seconds: waited))
        }
        Thread.sleep(forTimeInterval: TrialWorker.pause)
      }
    }
    return .stopped
  }
}
