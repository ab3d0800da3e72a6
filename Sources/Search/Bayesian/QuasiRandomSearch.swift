import LinearAlgebra

/// Genomes spread evenly over the space and fitted to the budget, none twice: a control that leaves fewer gaps than
/// `RandomSearch`.
public struct QuasiRandomSearch: LedgerOptimizer {
  public let space: BudgetedSpace
  public let seed: UInt64
  private let initial: [(genome: Genome, origin: String)]
  private let sequence: QuasiRandom
  /// Points of the sequence from `buffered` on. They are made ahead, because each batch of them starts at the first
  /// point.
  private var buffer: [[Double]] = []
  private var buffered = 0
  public var ledger: CandidateLedger

  private static let pointsAhead = 64

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
    sequence = QuasiRandom(dimensions: space.space.variables.count + 1, seed: seed)
    ledger = try CandidateLedger(objectiveCount: objectives)
  }

  public mutating func ask() throws(SearchError) -> Candidate? {
    if ledger.isExhausted { return nil }
    if initial.indices.contains(ledger.next) {
      let first = initial[ledger.next]
      return ledger.ask(first.genome, origin: first.origin)
    }
    var generator = SeededGenerator(seed: seed, stream: UInt64(ledger.next))
    let genome = space.genome(at: point(ledger.next - initial.count), using: &generator)
    if !ledger.genomes.contains(genome) { return ledger.ask(genome, origin: "quasi-random") }
    return ledger.askRandom(in: space, using: &generator)
  }

  private mutating func point(_ index: Int) -> [Double] {
    if !(buffered..<buffered + buffer.count).contains(index) {
      buffered = index
      buffer = sequence.points(index..<index + Self.pointsAhead)
    }
    return buffer[index - buffered]
  }
}
