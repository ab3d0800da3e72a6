import Evaluation
import Reports
import Runtime
import Search
import Studies

/// A search: what decides what it finds, where its study is, and when it ends.
public struct SearchRequest: Codable, Equatable, Sendable {
  public var settings: SearchSettings
  /// Address of the study; made, or resumed.
  public var study: String
  public var budget: SearchBudget
  /// How workers take part; `nil` to evaluate alone.
  public var sharing: SharingRequest?

  public init(_ settings: SearchSettings, study: String, budget: SearchBudget) {
    (self.settings, self.study, self.budget) = (settings, study, budget)
  }

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    try settings.validate()
    try sharing?.validate()
    if sharing != nil && settings.rungs > 1 {
      throw PipelineError.invalidOption("with --rungs candidates compete in one process; workers need a study without")
    }
  }
}

/// Searches until the budget is spent.
public struct SearchJob {
  public enum Outcome: Sendable {
    /// The budget is spent, or the space exhausted.
    case complete
    /// The monitor was cancelled; the same request goes on where this ended.
    case stopped
  }

  private let request: SearchRequest
  private let context: JobContext

  public init(_ request: SearchRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  /// - Parameter monitor: hears of every stage and every `SearchSession.Event`.
  /// - Throws: whatever is wrong with the request, before anything slow.
  public func run(_ monitor: Monitor = .silent) throws -> Outcome {
    try request.validate()
    let session: SearchSession
    do {
      session = try SearchSession(
        request.settings, at: StudyAddress(request.study), budget: request.budget, cache: context.cache,
        toolVersion: context.toolVersion, isShared: request.sharing != nil, memory: context.memory, monitor: monitor)
    } catch is CancellationError {
      return .stopped
    }
    let isComplete = try session.run(
      request.budget, sharing: request.sharing.map { StudySharing($0) }, monitor: monitor)
    try session.close()
    return isComplete ? .complete : .stopped
  }
}
