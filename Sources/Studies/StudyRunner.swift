import Search

extension Study {
  /// Tells an optimiser everything that the study knows: it adopts the same candidates again.
  ///
  /// - Parameter optimizer: optimiser as it was when the study began: same space, budget, first genomes, seed and
  ///   settings.
  /// - Returns: the candidates that were asked before and wait to be evaluated, by ordinal. Those that workers have
  ///   claimed stay pending in the optimiser.
  /// - Throws: `StudyError.otherSettings` if the optimiser does not adopt the study's candidates; the errors of
  ///   `trials`; `SearchError` if it refuses a stored result.
  public func replay(into optimizer: inout some Optimizer) throws -> [Candidate] {
    var open: [Candidate] = []
    for (index, trial) in try trials().enumerated() {
      let mismatch = StudyError.otherSettings(path: description, trial: trial.number)
      let candidate = Candidate(ordinal: trial.number, genome: trial.genome, origin: trial.origin)
      do {
        guard trial.number == index, try optimizer.adopt(candidate) else { throw mismatch }
      } catch SearchError.resultsPending {
        throw mismatch
      }
      switch trial.state {
      case .complete: try optimizer.tell(candidate.ordinal, objectives: minimized(trial.values))
      case .failed, .pruned: try optimizer.tellFailure(candidate.ordinal)
      case .waiting: open.append(candidate)
      case .running: break
      }
    }
    return open
  }

  /// Values in the form for an optimiser: smaller is better in each.
  public func minimized(_ values: [Double]) -> [Double] {
    zip(values, directions).map { $1.minimized($0) }
  }
}

/// An optimiser and a study in step: asked candidates are begun on disk, and results are stored before they are told.
///
/// ```swift
/// var runner = try StudyRunner(study, optimizer)
/// while evaluations < budget {
///   let batch = try runner.next(limit: budget - evaluations)
///   if batch.isEmpty { break }
///   try runner.complete(batch.map { .init(candidate: $0, values: measure($0.genome)) })
/// }
/// ```
public struct StudyRunner: Sendable {
  public let study: Study
  /// The optimiser, for its front and its counts.
  public private(set) var optimizer: any Optimizer
  /// Candidates of an earlier run without a result. `next` returns them first.
  public private(set) var interrupted: [Candidate]

  /// Brings the optimiser to the state of the study.
  ///
  /// - Throws: as `Study.replay`.
  public init(_ study: Study, _ optimizer: any Optimizer) throws {
    var optimizer = optimizer
    interrupted = try study.replay(into: &optimizer)
    self.study = study
    self.optimizer = optimizer
  }

  /// Number of candidates that have a result or failed.
  public var evaluations: Int { optimizer.evaluated.count + optimizer.failures }

  /// Candidates to evaluate now, begun in the study. Empty if the space is exhausted or `limit` is below 1.
  ///
  /// - Throws: `SearchError.resultsPending` if there are none before results of earlier ones are told; the errors of
  ///   `Study.beginTrials`.
  public mutating func next(limit: Int) throws -> [Candidate] {
    var batch = Array(interrupted.prefix(max(0, limit)))
    interrupted.removeFirst(batch.count)
    do {
      batch += try optimizer.askBatch(limit: limit - batch.count)
    } catch {
      if case .resultsPending = error, !batch.isEmpty {} else { throw error }
    }
    if !batch.isEmpty { try study.beginTrials(batch) }
    return batch
  }

  // MARK: - With workers

  /// Asks for candidates and stores them for workers to claim.
  ///
  /// ```swift
  /// while runner.evaluations < budget {
  ///   try runner.enqueue(limit: budget - runner.evaluations - runner.outstanding)
  ///   try study.expire(lease: 60)
  ///   if try runner.collect().isEmpty { wait() }
  /// }
  /// ```
  ///
  /// - Parameter attributes: user attributes of a candidate's trial; each value is a JSON text.
  /// - Returns: the new candidates. Empty if the space is exhausted, `limit` is below 1, or results are needed first.
  /// - Throws: the errors of `Study.enqueue` and of `attributes`.
  @discardableResult
  public mutating func enqueue(
    limit: Int, attributes: (Candidate) throws -> [String: String] = { _ in [:] }
  ) throws -> [Candidate] {
    // Candidates that an earlier run left waiting are already visible to workers.
    interrupted = []
    let batch: [Candidate]
    do {
      batch = try optimizer.askBatch(limit: limit)
    } catch .resultsPending {
      return []
    }
    if !batch.isEmpty { try study.enqueue(batch, attributes: batch.map(attributes)) }
    return batch
  }

  /// Number of asked candidates without a result.
  public var outstanding: Int { optimizer.pending.count }

  /// Tells the optimiser the results that workers have delivered since the last call.
  ///
  /// - Returns: the trials of these results, by number.
  /// - Throws: the errors of `Study.trials` and `Optimizer.tell`.
  public mutating func collect() throws -> [StoredTrial] {
    let ended = try study.trials(numbers: optimizer.pending).filter { ![.running, .waiting].contains($0.state) }
    for trial in ended { try tell(trial.number, trial.state == .complete ? trial.values : nil) }
    return ended
  }

  /// - Parameter values: values of a result; `nil` for a failure.
  private mutating func tell(_ number: Int, _ values: [Double]?) throws {
    if let values {
      try optimizer.tell(number, objectives: study.minimized(values))
    } else {
      try optimizer.tellFailure(number)
    }
  }

  // MARK: - Without workers

  /// The result of an evaluation.
  public struct Result: Sendable {
    fileprivate let ending: Ending

    /// - Parameter attributes: user attributes of the trial; each value is a JSON text.
    public init(candidate: Candidate, values: [Double], attributes: [String: String] = [:]) {
      ending = Ending(number: candidate.ordinal, measured: values, attributes: attributes)
    }

    public init(candidate: Candidate, failure reason: String) {
      ending = Ending(number: candidate.ordinal, failure: reason)
    }
  }

  /// Stores results, all or none of them, and tells them to the optimiser. Values that are not all finite are stored as
  /// a failure.
  ///
  /// - Returns: reason of the failure for each result, `nil` if it is none.
  /// - Throws: the errors of `Study.end` and `Optimizer.tell`.
  @discardableResult
  public mutating func complete(_ results: [Result]) throws -> [String?] {
    let endings = results.map(\.ending)
    try study.end(endings)
    for ending in endings { try tell(ending.number, ending.failure == nil ? ending.values : nil) }
    return endings.map(\.failure)
  }
}
