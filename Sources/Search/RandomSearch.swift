/// Genomes drawn at random inside the budget, none twice: the control for other optimisers.
public struct RandomSearch: LedgerOptimizer {
  public var ledger: CandidateLedger

  /// - Parameters:
  ///   - objectives: number of values in a result.
  ///   - initial: genomes to ask first, moved inside the budget if they are outside.
  /// - Throws: `SearchError.invalidSettings`, `SearchError.wrongGenomeLength`.
  public init(
    _ space: BudgetedSpace, objectives: Int, seed: UInt64, initial: [(genome: Genome, origin: String)] = []
  ) throws(SearchError) {
    ledger = try CandidateLedger(space, objectives: objectives, seed: seed, initial: initial)
  }
}
