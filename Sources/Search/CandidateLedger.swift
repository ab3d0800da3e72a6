import LinearAlgebra

/// An optimiser that keeps what was asked and told in a ledger.
public protocol LedgerOptimizer: Optimizer {
  var ledger: CandidateLedger { get set }
}

extension LedgerOptimizer {
  public var evaluated: [EvaluatedCandidate] { ledger.evaluated }
  public var failures: Int { ledger.failed.count }
  public var pending: [Int] { ledger.pending }

  public mutating func tell(_ ordinal: Int, objectives: [Double]) throws(SearchError) {
    try ledger.tell(ordinal, objectives: objectives)
  }

  public mutating func tellFailure(_ ordinal: Int) throws(SearchError) { try ledger.tellFailure(ordinal) }
}

/// The record of asked candidates and told results that every optimiser needs, with its checks.
public struct CandidateLedger: Sendable {
  let objectiveCount: Int
  private(set) var asked: [Candidate] = []
  private(set) var genomes: Set<Genome> = []
  private(set) var results: [Int: [Double]] = [:]
  private(set) var failed: Set<Int> = []
  /// Whether no new genome was found inside the budget.
  private(set) var isExhausted = false

  init(objectiveCount: Int) throws(SearchError) {
    if objectiveCount < 1 { throw .invalidSettings(reason: "\(objectiveCount) objectives") }
    self.objectiveCount = objectiveCount
  }

  /// The ordinal of the next candidate.
  var next: Int { asked.count }

  mutating func ask(_ genome: Genome, origin: String) -> Candidate {
    let candidate = Candidate(ordinal: next, genome: genome, origin: origin)
    asked.append(candidate)
    genomes.insert(genome)
    return candidate
  }

  /// Asks a random genome that was not asked before; `nil` if none is found.
  mutating func askRandom(in space: BudgetedSpace, using generator: inout SeededGenerator) -> Candidate? {
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
