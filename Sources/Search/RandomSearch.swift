import LinearAlgebra

/// Genomes drawn at random inside the budget, none twice: the control for other optimisers.
public struct RandomSearch: LedgerOptimizer {
  public let space: BudgetedSpace
  public let seed: UInt64
  private let initial: [(genome: Genome, origin: String)]
  public var ledger: CandidateLedger

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

  public mutating func ask() throws(SearchError) -> Candidate? {
    if ledger.isExhausted { return nil }
    if initial.indices.contains(ledger.next) {
      let first = initial[ledger.next]
      return ledger.ask(first.genome, origin: first.origin)
    }
    var generator = SeededGenerator(seed: seed, stream: UInt64(ledger.next))
    return ledger.askRandom(in: space, using: &generator)
  }
}
