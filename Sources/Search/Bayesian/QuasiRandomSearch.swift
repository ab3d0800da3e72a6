import LinearAlgebra

/// Genomes spread evenly over the space and fitted to the budget, none twice: a control that leaves fewer gaps than
/// `RandomSearch`.
public struct QuasiRandomSearch: LedgerOptimizer {
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
    sequence = QuasiRandom(dimensions: space.space.variables.count + 1, seed: seed)
    ledger = try CandidateLedger(space, objectives: objectives, seed: seed, initial: initial)
  }

  public mutating func propose(using generator: inout SeededGenerator) -> (genome: Genome, origin: String)? {
    let genome = space.genome(at: point(ledger.next - ledger.first.count), using: &generator)
    return ledger.genomes.contains(genome) ? nil : (genome, "quasi-random")
  }

  private mutating func point(_ index: Int) -> [Double] {
    if !(buffered..<buffered + buffer.count).contains(index) {
      buffered = index
      buffer = sequence.points(index..<index + Self.pointsAhead)
    }
    return buffer[index - buffered]
  }
}
