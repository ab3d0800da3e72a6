/// A genome that an optimiser wants evaluated.
public struct Candidate: Hashable, Sendable {
  /// 0, 1, 2, … in the order of asking. It names the candidate everywhere, and seeds its randomness.
  public let ordinal: Int
  public let genome: Genome
  /// Its origin: the name of a first genome ("uniform", "curve", …), or the operator that made it ("shift", "resize",
  /// "nudge", "redraw", "swap", "crossover", "uniform-crossover", "random").
  public let origin: String

  public init(ordinal: Int, genome: Genome, origin: String) {
    self.ordinal = ordinal
    self.genome = genome
    self.origin = origin
  }
}

/// A candidate with its objectives, all of them minimised.
public struct EvaluatedCandidate: Hashable, Sendable {
  public let candidate: Candidate
  public let objectives: [Double]
}

/// A search that is asked for candidates and told their objectives, in any order and by any caller.
///
/// An optimiser never evaluates. The same settings and the same results give the same candidates; the order in which
/// the results of one batch arrive does not matter. So a stored search resumes by asking again and telling the known
/// results.
public protocol Optimizer: Sendable {
  /// The next candidate; `nil` if every genome inside the budget has been asked.
  ///
  /// - Throws: `SearchError.resultsPending` if the next candidate depends on results that have not been told yet.
  mutating func ask() throws(SearchError) -> Candidate?

  /// Accepts a stored candidate as the next one asked, so that a search resumes without computing it again.
  ///
  /// If it is told the same results afterwards, the optimiser goes on exactly as if it had asked for the candidate
  /// itself. By default it does ask, and compares ordinal and genome. An optimiser with expensive candidates only
  /// checks that the candidate is possible: the next ordinal, inside the budget, not asked before. After `false` or an
  /// error the optimiser must not be used any more.
  ///
  /// - Returns: `true` if the candidate can be the next one of this search.
  /// - Throws: `SearchError.resultsPending` as `ask`; `validate`'s errors for a genome outside the space.
  mutating func adopt(_ candidate: Candidate) throws(SearchError) -> Bool

  /// Takes the objectives of an asked candidate; smaller is better.
  ///
  /// - Throws: `SearchError.unknownOrdinal`, `.alreadyTold`, `.wrongObjectiveCount`, `.objectiveNotFinite`; the
  ///   optimiser is then unchanged.
  mutating func tell(_ ordinal: Int, objectives: [Double]) throws(SearchError)

  /// Records that an asked candidate has no result. It is counted, never asked again, and never a parent.
  ///
  /// - Throws: `SearchError.unknownOrdinal`, `.alreadyTold`.
  mutating func tellFailure(_ ordinal: Int) throws(SearchError)

  /// Everything told so far, by ordinal.
  var evaluated: [EvaluatedCandidate] { get }
  /// Number of candidates that failed.
  var failures: Int { get }
  /// The ordinals that were asked and not told yet, ascending.
  var pending: [Int] { get }
  /// The number of the generation or batch that is being asked; each one takes account of new results.
  var generation: Int { get }
}

extension Optimizer {
  /// The default, for an optimiser that does not learn.
  public var generation: Int { 0 }

  public mutating func adopt(_ candidate: Candidate) throws(SearchError) -> Bool {
    guard let asked = try ask() else { return false }
    return asked.ordinal == candidate.ordinal && asked.genome == candidate.genome
  }

  /// The candidates that can be evaluated now, at most `limit`. Empty when the space is exhausted or `limit` is below
  /// 1.
  ///
  /// - Throws: `SearchError.resultsPending` if not even one can be given before earlier results are told.
  public mutating func askBatch(limit: Int) throws(SearchError) -> [Candidate] {
    var batch: [Candidate] = []
    while batch.count < limit {
      do {
        guard let candidate = try ask() else { break }
        batch.append(candidate)
      } catch {
        if case .resultsPending = error, !batch.isEmpty { break }
        throw error
      }
    }
    return batch
  }

  /// The non-dominated part of everything told so far, by ordinal.
  public var front: [EvaluatedCandidate] {
    let all = evaluated
    return ParetoFront.nonDominated(all.map(\.objectives)).map { all[$0] }
  }
}
