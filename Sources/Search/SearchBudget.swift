/// How long a search may go on: a number of evaluations, seconds of wall clock, or both, whichever ends first.
public struct SearchBudget: Codable, Equatable, Sendable {
  public var evaluations: Int?
  public var seconds: Double?

  public init(evaluations: Int? = nil, seconds: Double? = nil) {
    self.evaluations = evaluations
    self.seconds = seconds
  }
}
