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
    if study.isEmpty { throw PipelineError.invalidOption("the study's address is empty") }
    if !(patience >= 0) { throw PipelineError.invalidOption("--wait must not be negative") }
    try sharing.validate()
  }
}

/// Evaluates candidates of a study until its search is complete.
public struct WorkerJob {
  public enum Event: Monitor.Event {
    /// Everything is ready; the address of the study.
    case ready(study: String)
    /// Candidates that this worker has evaluated so far.
    case evaluated(Int)
    /// Seconds without candidates, told once a minute.
    case idle(seconds: Int)
  }

  private let request: WorkerRequest
  private let context: JobContext

  public init(_ request: WorkerRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  /// - Parameter monitor: hears every `Event`; if it is cancelled, the candidates at hand are given back.
  public func run(_ monitor: Monitor = .silent) throws -> WorkerSession.Outcome {
    try request.validate()
    let session: WorkerSession
    do {
      session = try WorkerSession(
        StudyAddress(request.study), model: request.model, cache: context.cache,
        sharing: StudySharing(request.sharing), patience: request.patience, memory: context.memory, monitor: monitor)
    } catch is CancellationError {
      return .stopped
    }
    monitor.tell(Event.ready(study: "\(session.study)"))
    let outcome = try session.run(
      monitor, evaluated: { monitor.tell(Event.evaluated($0)) }, idle: { monitor.tell(Event.idle(seconds: $0)) })
    try session.close()
    return outcome
  }
}
