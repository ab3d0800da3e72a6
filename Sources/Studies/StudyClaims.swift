import Foundation
import Search

/// The operations of workers on a study. Workers may join, leave and die at any time.
///
/// A trial waits, is claimed by one worker, and ends. The claim is a lease: it lasts as long as the worker renews it.
/// The database's clock decides, so the clocks of the machines do not matter. A trial whose lease expired waits again.
/// The first delivery is the result. The same genome gives the same values everywhere, up to the rounding of different
/// processors, so it does not matter which worker delivers.
///
/// ```swift
/// let study = try Study.open(location, name: name, access: .work, model: identity)
/// let worker = "\(host) \(getpid())"
/// while !isStopped() {
///   try study.expire(lease: 60)
///   for candidate in try study.claim(limit: 1, worker: worker) {
///     // Meanwhile, every 20 s from another thread: try study.renew([candidate.ordinal], worker: worker)
///     try study.deliver(candidate.ordinal, values: measure(candidate.genome), worker: worker)
///   }
/// }
/// ```
///
/// Optuna's heartbeats are the leases, so its tools see them, too. The owner is the trial's system attribute
/// `nas_search:owner`.
extension Study {
  /// Claims waiting trials, the lowest numbers first. No other worker gets them as long as the lease is renewed.
  ///
  /// - Parameters:
  ///   - limit: largest number of trials.
  ///   - worker: a name that no other worker has.
  /// - Returns: the trials to evaluate; empty if none waits.
  /// - Throws: `StudyError.readOnly`, `.unreadableTrial`, `.database`.
  public func claim(limit: Int, worker: String) throws(StudyError) -> [Candidate] {
    if limit < 1 { return [] }
    let owner = try JSONText.encode(worker)
    return try write { session in
      let taken = try session.run(
        "SELECT trial_id, number FROM trials WHERE study_id = ? AND state = ? ORDER BY number LIMIT ?"
          + session.dialect.forUpdateSkippingLocked, [identifier, TrialState.waiting.rawValue, limit]
      ).compactMap(TrialRow.init)
      let trials = taken.map(\.identifier)
      if trials.isEmpty { return [] }
      let list = SQLDialect.placeholders(trials.count)
      try session.run(
        "UPDATE trials SET state = ?, datetime_start = ? WHERE trial_id IN \(list)",
        [TrialState.running.rawValue, OptunaDate.text(Date())] + trials)
      try set(trials.map { ($0, [Key.owner: owner]) }, in: "trial_system_attributes", session)
      try session.run(
        """
        INSERT INTO trial_heartbeats (trial_id, heartbeat)
        SELECT trial_id, \(session.dialect.now) FROM trials WHERE trial_id IN \(list)
        ON CONFLICT (trial_id) DO UPDATE SET heartbeat = excluded.heartbeat
        """, trials)
      return try stored(session, numbers: taken.map(\.number)).map {
        Candidate(ordinal: $0.number, genome: $0.genome, origin: $0.origin)
      }
    }
  }

  /// Renews the lease of trials that a worker is evaluating.
  ///
  /// - Returns: the numbers that the worker still holds. The others ended, or expired and are no longer its own; it may
  ///   deliver results for them all the same.
  /// - Throws: `StudyError.readOnly`, `.database`.
  @discardableResult
  public func renew(_ numbers: [Int], worker: String) throws(StudyError) -> [Int] {
    if numbers.isEmpty { return [] }
    return try write { session in
      let held = try claimed(by: worker, numbers: numbers, session)
      if !held.isEmpty {
        try session.run(
          """
          UPDATE trial_heartbeats SET heartbeat = \(session.dialect.now)
          WHERE trial_id IN \(SQLDialect.placeholders(held.count))
          """, held.map(\.identifier))
      }
      return held.map(\.number)
    }
  }

  /// Gives claimed trials back unfinished, so that another worker can claim them at once.
  ///
  /// - Throws: `StudyError.readOnly`, `.database`.
  public func release(_ numbers: [Int], worker: String) throws(StudyError) {
    if numbers.isEmpty { return }
    try write { session in
      try makeWait(try claimed(by: worker, numbers: numbers, session).map(\.identifier), session)
    }
  }

  /// Makes claimed trials wait again if their lease expired. Any process may call this at any time.
  ///
  /// - Parameters:
  ///   - lease: seconds, by the database's clock; several times the interval at which workers renew.
  ///   - attempts: number of times that the lease of one trial may expire. Then the trial has failed, because it may be
  ///     what kills the workers.
  ///     `nil`: as often as it likes.
  /// - Returns: the numbers of the trials whose lease expired.
  /// - Throws: `StudyError.readOnly`, `.database`.
  @discardableResult
  public func expire(lease: Double, attempts: Int? = nil) throws(StudyError) -> [Int] {
    try write { session in
      // The heartbeats are locked with the trials, so a renewal at the same moment counts.
      let late = try session.run(
        """
        SELECT t.trial_id, t.number FROM trials AS t
        JOIN trial_system_attributes AS a ON a.trial_id = t.trial_id AND a.key = ?
        JOIN trial_heartbeats AS h ON h.trial_id = t.trial_id
        WHERE t.study_id = ? AND t.state = ? AND \(session.dialect.age(of: "h.heartbeat")) > ?
        ORDER BY t.number
        """ + session.dialect.forUpdateSkippingLocked,
        [Key.owner, identifier, TrialState.running.rawValue, lease]
      ).compactMap(TrialRow.init)
      if late.isEmpty { return [] }
      try makeWait(late.map(\.identifier), session)
      let counts = try countExpirations(of: late, session)
      let hopeless = zip(late, counts).filter { $1 >= attempts ?? .max }
      try store(
        hopeless.map { trial, count in
          Ending(number: trial.number, failure: "\(count) workers went away with it")
        }, Dictionary(hopeless.map { ($0.0.number, $0.0) }) { $1 }, session)
      return late.map(\.number)
    }
  }

  /// Delivers the result of a claimed trial, even if the lease was lost meanwhile.
  ///
  /// - Parameters:
  ///   - values: one for each objective. If one is not finite, the trial has failed.
  ///   - attributes: user attributes; each value is a JSON text.
  ///   - reproducible: one flag for each objective, true if every evaluation of a genome gives the same value.
  ///     `nil`: all do.
  /// - Returns: `true` if this was the first result. Otherwise nothing is changed: the trial has these values already,
  ///   or has failed elsewhere.
  /// - Throws: `StudyError.conflictingResult` if the trial has another value of a reproducible objective;
  ///   `.wrongState`, `.wrongValueCount`,
  ///   `.invalidJSON`, `.readOnly`, `.database`.
  @discardableResult
  public func deliver(
    _ number: Int, values: [Double], attributes: [String: String] = [:], worker: String, reproducible: [Bool]? = nil
  ) throws(StudyError) -> Bool {
    try deliver(
      Ending(number: number, measured: values, attributes: attributes), worker: worker, reproducible: reproducible)
  }

  /// Reports that a trial has no result. That counts only if the worker holds the trial; if it lost the lease, another
  /// worker may succeed.
  ///
  /// - Returns: `true` if the trial has failed because of this.
  /// - Throws: `StudyError.wrongState`, `.invalidJSON`, `.readOnly`, `.database`.
  @discardableResult
  public func deliver(
    _ number: Int, failure reason: String, attributes: [String: String] = [:], worker: String
  ) throws(StudyError) -> Bool {
    try deliver(Ending(number: number, failure: reason, attributes: attributes), worker: worker)
  }

  private func deliver(
    _ ending: Ending, worker: String, reproducible: [Bool]? = nil
  ) throws(StudyError) -> Bool {
    try ending.check(objectives: directions.count)
    let owner = try JSONText.encode(worker)
    return try write { session in
      let trials = try lockTrials([ending.number], session)
      switch trials[ending.number]?.state {
      case .running, .waiting:
        if ending.failure != nil, try claimed(by: worker, numbers: [ending.number], session).isEmpty { return false }
        try store([ending], trials, session)
        try set([(trials[ending.number]?.identifier, [Key.owner: owner])], in: "trial_system_attributes", session)
        return true
      case .complete:
        let stored = try stored(session, numbers: [ending.number]).first?.values ?? []
        if ending.failure == nil && !Self.agree(stored, ending.values, reproducible) {
          throw StudyError.conflictingResult(number: ending.number, stored: stored, given: ending.values)
        }
        return false
      case .failed, .pruned: return false
      case nil: throw StudyError.wrongState(number: ending.number, state: nil, wanted: ending.wanted)
      }
    }
  }

  /// Largest relative difference between values of one genome from different workers: on another processor single
  /// precision sums in another order.
  private static let tolerance = 1e-4

  static func agree(_ values: [Double], _ others: [Double], _ reproducible: [Bool]? = nil) -> Bool {
    values.count == others.count
      && zip(zip(values, others), reproducible ?? values.map { _ in true }).allSatisfy { pair, isReproducible in
        !isReproducible || pair.0 == pair.1 || abs(pair.0 - pair.1) <= tolerance * max(abs(pair.0), abs(pair.1))
      }
  }

  // MARK: - Rows

  /// The trials among these that a worker holds. No other process changes them before the transaction ends.
  private func claimed(
    by worker: String, numbers: [Int], _ session: any DatabaseSession
  ) throws -> [TrialRow] {
    try session.run(
      """
      SELECT t.trial_id, t.number FROM trials AS t
      JOIN trial_system_attributes AS a ON a.trial_id = t.trial_id AND a.key = ?
      WHERE t.study_id = ? AND t.state = ? AND a.value_json = ?
        AND t.number IN \(SQLDialect.placeholders(numbers.count))
      ORDER BY t.number
      """ + session.dialect.forUpdate,
      [Key.owner, identifier, TrialState.running.rawValue, try JSONText.encode(worker)] + numbers
    ).compactMap(TrialRow.init)
  }

  /// Records that leases expired once more, and returns how often each has expired.
  private func countExpirations(of trials: [TrialRow], _ session: any DatabaseSession) throws -> [Int] {
    let rows = try session.run(
      """
      SELECT trial_id, value_json FROM trial_system_attributes
      WHERE key = ? AND trial_id IN \(SQLDialect.placeholders(trials.count))
      """, [Key.expired] + trials.map(\.identifier))
    let known = Dictionary(
      rows.map { ($0.integer("trial_id"), $0.text("value_json").flatMap { Int($0) } ?? 0) }
    ) { $1 }
    let counts = trials.map { (known[$0.identifier] ?? 0) + 1 }
    try set(
      zip(trials, counts).map { ($0.identifier, [Key.expired: "\($1)"]) }, in: "trial_system_attributes", session)
    return counts
  }

  private func makeWait(_ trials: [Int64], _ session: any DatabaseSession) throws {
    if trials.isEmpty { return }
    let list = SQLDialect.placeholders(trials.count)
    try session.run(
      "UPDATE trials SET state = ?, datetime_start = NULL WHERE trial_id IN \(list)",
      [TrialState.waiting.rawValue] + trials)
    try session.run(
      "DELETE FROM trial_system_attributes WHERE key = ? AND trial_id IN \(list)", [Key.owner] + trials)
    try session.run("DELETE FROM trial_heartbeats WHERE trial_id IN \(list)", trials)
  }
}
