import LinearAlgebra

/// Genomes drawn at random inside the budget, none twice: the control for other optimisers.
public struct RandomSearch: Optimizer {
  public let space: BudgetedSpace
  public let seed: UInt64
  private let initial: [(genome: Genome, origin: String)]
  private var ledger: CandidateLedger
  private var exhausted = false

  /// - Parameters:
  ///   - objectives: number of values in a result.
  ///   - initial: genomes to ask first, moved inside the budget if they are outside.
  /// - Throws: `SearchError.invalidSettings`, `SearchError.wrongGenomeLength`.
  public init(
    _ space: BudgetedSpace, objectives: Int, seed: UInt64, initial: [(genome: Genome, origin: String)] = []
  ) throws(SearchError) {
    self.space = space
    self.seed = seed
    self.initial = try FreshGenomes.admitted(initial, in: space, seed: seed)
    ledger = try CandidateLedger(objectiveCount: objectives)
  }

  public var evaluated: [EvaluatedCandidate] { ledger.evaluated }
  public var failures: Int { ledger.failed.count }
  public var pending: [Int] { ledger.pending }

  public mutating func ask() throws(SearchError) -> Candidate? {
    if exhausted { return nil }
    if initial.indices.contains(ledger.next) {
      let first = initial[ledger.next]
      return ledger.ask(first.genome, origin: first.origin)
    }
    var generator = SeededGenerator(seed: seed, stream: UInt64(ledger.next))
    guard let genome = FreshGenomes.random(in: space, except: ledger.genomes, using: &generator) else {
      exhausted = true
      return nil
    }
    return ledger.ask(genome, origin: "random")
  }

  public mutating func tell(_ ordinal: Int, objectives: [Double]) throws(SearchError) {
    try ledger.tell(ordinal, objectives: objectives)
  }

  public mutating func tellFailure(_ ordinal: Int) throws(SearchError) {
    try ledger.tellFailure(ordinal)
  }
}
