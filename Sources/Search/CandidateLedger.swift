import LinearAlgebra

/// An optimiser that keeps what was asked and told in a ledger. It asks the first genomes, then what it proposes, and
/// random genomes where it proposes none.
public protocol LedgerOptimizer: Optimizer {
  var ledger: CandidateLedger { get set }

  /// Goes on to the next generation or batch if all of this one was asked.
  ///
  /// - Throws: `SearchError.resultsPending` if that needs results that have not been told.
  mutating func advance() throws(SearchError)

  /// The next genome, one that was not asked before; `nil` for a random one.
  ///
  /// - Parameter generator: randomness of the next candidate.
  mutating func propose(using generator: inout SeededGenerator) -> (genome: Genome, origin: String)?
}

extension LedgerOptimizer {
  public var space: BudgetedSpace { ledger.space }
  public var seed: UInt64 { ledger.seed }
  public var evaluated: [EvaluatedCandidate] { ledger.evaluated }
  public var failures: Int { ledger.failed.count }
  public var pending: [Int] { ledger.pending }

  public mutating func advance() {}
  public mutating func propose(using generator: inout SeededGenerator) -> (genome: Genome, origin: String)? { nil }

  public mutating func ask() throws(SearchError) -> Candidate? {
    if ledger.isExhausted { return nil }
    try advance()
    if let first = ledger.nextFirst { return ledger.ask(first.genome, origin: first.origin) }
    var generator = SeededGenerator(seed: seed, stream: UInt64(ledger.next))
    if let found = propose(using: &generator) { return ledger.ask(found.genome, origin: found.origin) }
    return ledger.askRandom(using: &generator)
  }

  public mutating func tell(_ ordinal: Int, objectives: [Double]) throws(SearchError) {
    try ledger.tell(ordinal, objectives: objectives)
  }

  public mutating func tellFailure(_ ordinal: Int) throws(SearchError) { try ledger.tellFailure(ordinal) }
}

/// The record of asked candidates and told results that every optimiser needs, with its checks.
public struct CandidateLedger: Sendable {
  let space: BudgetedSpace
  let objectiveCount: Int
  let seed: UInt64
  /// The genomes to ask first.
  let first: [(genome: Genome, origin: String)]
  private(set) var asked: [Candidate] = []
  private(set) var genomes: Set<Genome> = []
  private(set) var results: [Int: [Double]] = [:]
  private(set) var failed: Set<Int> = []
  /// Whether no new genome was found inside the budget.
  private(set) var isExhausted = false

  /// - Parameters:
  ///   - initial: genomes to ask first. Those inside the budget stay exactly as they are, the others are fitted.
  ///   - quasiRandom: number of quasi-random genomes after them, at least one if there is no other; `nil` for none.
  /// - Throws: `SearchError.invalidSettings`, or `validate`'s errors for an initial genome.
  init(
    _ space: BudgetedSpace, objectives: Int, seed: UInt64, initial: [(genome: Genome, origin: String)],
    quasiRandom: Int? = nil
  ) throws(SearchError) {
    if objectives < 1 { throw .invalidSettings(reason: "\(objectives) objectives") }
    self.space = space
    objectiveCount = objectives
    self.seed = seed
    let given = try FreshGenomes.admitted(initial, in: space, seed: seed)
    let more = quasiRandom.map { max($0, 1 - given.count) } ?? 0
    first = given + space.quasiRandomGenomes(more, seed: seed).map { ($0, "quasi-random") }
  }

  /// The ordinal of the next candidate.
  var next: Int { asked.count }

  /// The first genome whose turn it is; `nil` if all were asked, or this one by chance.
  var nextFirst: (genome: Genome, origin: String)? {
    first.indices.contains(next) && !genomes.contains(first[next].genome) ? first[next] : nil
  }

  mutating func ask(_ genome: Genome, origin: String) -> Candidate {
    let candidate = Candidate(ordinal: next, genome: genome, origin: origin)
    asked.append(candidate)
    genomes.insert(genome)
    return candidate
  }

  /// Asks a random genome that was not asked before; `nil` if none is found.
  mutating func askRandom(using generator: inout SeededGenerator) -> Candidate? {
    guard let genome = FreshGenomes.random(in: space, except: genomes, using: &generator) else {
      isExhausted = true
      return nil
    }
    return ask(genome, origin: "random")
  }

  /// - Throws: `SearchError.resultsPending` if a candidate has no result yet.
  func requireResults() throws(SearchError) {
    if !pending.isEmpty { throw .resultsPending(ordinals: pending) }
  }

  mutating func tell(_ ordinal: Int, objectives: [Double]) throws(SearchError) {
    try check(ordinal)
    if objectives.count != objectiveCount {
      throw .wrongObjectiveCount(ordinal: ordinal, expected: objectiveCount, found: objectives.count)
    }
    if !objectives.allSatisfy(\.isFinite) { throw .objectiveNotFinite(ordinal: ordinal, values: objectives) }
    results[ordinal] = objectives
  }

  mutating func tellFailure(_ ordinal: Int) throws(SearchError) {
    try check(ordinal)
    failed.insert(ordinal)
  }

  private func check(_ ordinal: Int) throws(SearchError) {
    if !asked.indices.contains(ordinal) { throw .unknownOrdinal(ordinal) }
    if isTold(ordinal) { throw .alreadyTold(ordinal) }
  }

  func isTold(_ ordinal: Int) -> Bool { results[ordinal] != nil || failed.contains(ordinal) }

  /// The ordinals asked and not told, ascending.
  var pending: [Int] { asked.indices.filter { !isTold($0) } }

  /// Everything told, sorted by the first objective; of equal ones the earlier candidate comes first.
  var ranked: [EvaluatedCandidate] {
    evaluated.sorted {
      ($0.objectives[0], $0.candidate.ordinal) < ($1.objectives[0], $1.candidate.ordinal)
    }
  }

  /// Everything told, by ordinal.
  var evaluated: [EvaluatedCandidate] {
    asked.compactMap { candidate in
      results[candidate.ordinal].map { EvaluatedCandidate(candidate: candidate, objectives: $0) }
    }
  }
}
