/// One evaluation of the search.
public struct TrialSummary: Codable, Equatable, Sendable {
  public enum State: String, Codable, Sendable {
    case complete, failed, pruned, running
  }

  public var number: Int
  /// What proposed it, for example `uniform`, `error curve`, `crossover`.
  public var origin: String
  public var state: State
  public var keepRatio: Double
  public var parametersTotal: Int
  public var parametersBlock: Int
  /// Values by the names of the objectives; empty unless the evaluation got that far.
  public var values: [String: Double] = [:]
  public var score = ""
  public var calibration = ""
  /// Seconds of wall clock that the evaluation took.
  public var seconds: Double?
  /// Why the evaluation failed, if it did and the reason is known.
  public var failure: String?

  public init(number: Int, origin: String, state: State, keepRatio: Double, parametersTotal: Int, parametersBlock: Int)
  {
    (self.number, self.origin, self.state, self.keepRatio) = (number, origin, state, keepRatio)
    (self.parametersTotal, self.parametersBlock) = (parametersTotal, parametersBlock)
  }
}

/// How far the search had come after some evaluations.
public struct ConvergencePoint: Codable, Equatable, Sendable {
  public var evaluations: Int
  /// Seconds of searching up to here.
  public var seconds: Double
  /// Best value so far of what `StudyReport.bestValueName` says; absent while no candidate qualifies.
  public var bestValue: Double?
  /// Hypervolume that the front dominates, in the units of the study; greater is better.
  public var hypervolume: Double?

  public init(evaluations: Int, seconds: Double, bestValue: Double?, hypervolume: Double?) {
    (self.evaluations, self.seconds, self.bestValue, self.hypervolume) = (evaluations, seconds, bestValue, hypervolume)
  }
}
