/// An optimiser of any kind, for callers that choose one at run time.
public struct AnyOptimizer: Optimizer {
  private var base: any Optimizer

  public init(_ base: some Optimizer) { self.base = base }

  public var evaluated: [EvaluatedCandidate] { base.evaluated }
  public var failures: Int { base.failures }
  public var pending: [Int] { base.pending }
  public var generation: Int { base.generation }

  public mutating func ask() throws(SearchError) -> Candidate? { try base.ask() }
  public mutating func adopt(_ candidate: Candidate) throws(SearchError) -> Bool { try base.adopt(candidate) }
  public mutating func tell(_ ordinal: Int, objectives: [Double]) throws(SearchError) {
    try base.tell(ordinal, objectives: objectives)
  }
  public mutating func tellFailure(_ ordinal: Int) throws(SearchError) { try base.tellFailure(ordinal) }
}
