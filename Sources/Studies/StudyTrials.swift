import Foundation
import Search

/// The begin and end of trials, and the attributes of the study.
extension Study {
  // MARK: - Beginning

  /// Records that candidates are being evaluated, all or none of them.
  ///
  /// - Parameter candidates: candidates with the ordinals of `waiting` trials of their genomes, or free ones.
  /// - Throws: `StudyError.trialOutOfOrder`, `.wrongState`, `.genomeChanged`, `.readOnly`, `.notSearching`,
  ///   `.database`.
  public func beginTrials(_ candidates: [Candidate]) throws(StudyError) {
    try add(candidates, as: .running) { session, candidate, state in
      if state != .waiting { throw StudyError.wrongState(number: candidate.ordinal, state: state, wanted: "begun") }
      try session.run(
        "UPDATE trials SET state = ?, datetime_start = ? WHERE study_id = ? AND number = ?",
        [TrialState.running.rawValue, OptunaDate.text(Date()), identifier, candidate.ordinal])
    }
  }

  /// Adds candidates for workers to claim, all or none of them. Existing ones stay as they are.
  ///
  /// - Parameter attributes: user attributes of each candidate; each value is a JSON text. None, or as many as
  ///   candidates.
  /// - Throws: `StudyError.trialOutOfOrder`, `.genomeChanged`, `.invalidJSON`, `.readOnly`, `.notSearching`,
  ///   `.database`.
  public func enqueue(_ candidates: [Candidate], attributes: [[String: String]] = []) throws(StudyError) {
    for texts in attributes { try JSONText.check(texts) }
    try add(candidates, as: .waiting, attributes: attributes) { _, _, _ in }
  }

  /// Stores candidates as new trials, or calls `again` with those that have a trial.
  private func add(
    _ candidates: [Candidate], as state: TrialState, attributes: [[String: String]] = [],
    again: (any DatabaseSession, Candidate, TrialState?) throws -> Void
  ) throws(StudyError) {
    for candidate in candidates {
      do {
        try space.validate(candidate.genome)
      } catch {
        throw .unreadableTrial(path: description, number: candidate.ordinal, reason: "\(error)")
      }
    }
    let distributions = space.variables.map(OptunaDistribution.text)
    try writeAsSearcher { session in
      // Each process that adds trials waits here, Optuna too, so that no number is assigned twice.
      try session.run("SELECT study_id FROM studies WHERE study_id = ?" + session.dialect.forUpdate, [identifier])
      let states = try lockTrials(candidates.map(\.ordinal), session)
      let genomes = Dictionary(
        try stored(session, numbers: Array(states.keys)).map { ($0.number, $0.genome) }
      ) { $1 }
      let count = try session.run("SELECT COUNT(*) AS trials FROM trials WHERE study_id = ?", [identifier])
      var next = Int(count.first?.integer("trials") ?? 0)
      var new: [Candidate] = []
      for candidate in candidates {
        if let row = states[candidate.ordinal] {
          try again(session, candidate, row.state)
          if let genome = genomes[candidate.ordinal], genome != candidate.genome {
            throw StudyError.genomeChanged(number: candidate.ordinal, stored: genome, given: candidate.genome)
          }
        } else {
          if candidate.ordinal != next { throw StudyError.trialOutOfOrder(number: candidate.ordinal, expected: next) }
          new.append(candidate)
          next += 1
        }
      }
      let extra = Dictionary(zip(candidates.map(\.ordinal), attributes)) { $1 }
      try insert(new, as: state, attributes: extra, distributions: distributions, session)
    }
  }

  private func insert(
    _ candidates: [Candidate], as state: TrialState, attributes: [Int: [String: String]], distributions: [String],
    _ session: any DatabaseSession
  ) throws {
    let started = state == .running ? OptunaDate.text(Date()) : nil
    let created = try session.insert(
      into: "trials", ["number", "study_id", "state", "datetime_start"],
      candidates.map { [$0.ordinal, identifier, state.rawValue, started] }, "RETURNING trial_id, number")
    let trials = Dictionary(created.map { ($0.integer("number"), $0.integer("trial_id")) }) { $1 }
    func trial(_ candidate: Candidate) -> Int64? { trials[Int64(candidate.ordinal)] ?? nil }
    try session.insert(
      into: "trial_params", ["trial_id", "param_name", "param_value", "distribution_json"],
      candidates.flatMap { candidate in
        space.variables.indices.filter { space.isActive($0, in: candidate.genome) }.map { index in
          [trial(candidate), space.variables[index].name, Double(candidate.genome[index]), distributions[index]]
        }
      })
    try set(
      candidates.map { candidate in
        let origin = [Key.origin: try JSONText.encode(candidate.origin)]
        return (trial(candidate), (attributes[candidate.ordinal] ?? [:]).merging(origin) { $1 })
      }, in: "trial_user_attributes", session)
  }

  // MARK: - Ending

  /// Records the ends of running trials: all of them or, if anything is wrong, none.
  ///
  /// - Throws: `StudyError.wrongState`, `.wrongValueCount`, `.notANumber`, `.invalidJSON`, `.readOnly`, `.database`.
  func end(_ endings: [Ending]) throws(StudyError) {
    for ending in endings { try ending.check(objectives: directions.count) }
    try write { session in
      var trials = try lockTrials(endings.map(\.number), session)
      for ending in endings {
        guard trials[ending.number]?.state == .running else {
          throw StudyError.wrongState(
            number: ending.number, state: trials[ending.number]?.state, wanted: ending.wanted)
        }
        trials[ending.number]?.state = ending.state
      }
      try store(endings, trials, session)
    }
  }

  /// Stores the ends of trials that are known to be allowed to end.
  func store(_ endings: [Ending], _ trials: [Int: TrialRow], _ session: any DatabaseSession) throws {
    let now = OptunaDate.text(Date())
    for state in [TrialState.complete, .failed] {
      let ended = endings.filter { $0.state == state }.compactMap { trials[$0.number]?.identifier }
      if ended.isEmpty { continue }
      try session.run(
        """
        UPDATE trials SET state = ?, datetime_complete = ?, datetime_start = COALESCE(datetime_start, ?)
        WHERE trial_id IN \(SQLDialect.placeholders(ended.count))
        """, [state.rawValue, now, now] + ended)
    }
    try session.insert(
      into: "trial_values", ["trial_id", "objective", "value", "value_type"],
      endings.flatMap { ending in
        ending.values.enumerated().map { objective, value in
          let columns = OptunaValue.columns(value)
          return [trials[ending.number]?.identifier, objective, columns.value, columns.type]
        }
      })
    try set(
      endings.map { (trials[$0.number]?.identifier, try $0.allAttributes()) }, in: "trial_user_attributes", session)
  }

  /// Makes trials wait that a killed searching process left running, or that a stop interrupted. Trials that workers
  /// have claimed stay with them.
  public func releaseInterrupted() throws(StudyError) {
    try writeAsSearcher { session in
      try session.run(
        """
        UPDATE trials SET state = ?, datetime_start = NULL WHERE study_id = ? AND state = ? AND NOT EXISTS (
          SELECT 1 FROM trial_system_attributes AS a WHERE a.trial_id = trials.trial_id AND a.key = ?)
        """, [TrialState.waiting.rawValue, identifier, TrialState.running.rawValue, Key.owner])
    }
  }

  // MARK: - Rows

  /// A trial's row.
  struct TrialRow: Sendable {
    let identifier: Int64
    let number: Int
    /// `nil` for a state that Optuna does not have, or that the query left out.
    var state: TrialState?

    init?(_ row: SQLRow) {
      guard let identifier = row.integer("trial_id"), let number = row.integer("number") else { return nil }
      self.identifier = identifier
      self.number = Int(number)
      state = row.text("state").flatMap(TrialState.init)
    }
  }

  /// The rows of trials, by number. No other process changes them before the transaction ends.
  func lockTrials(_ numbers: [Int], _ session: any DatabaseSession) throws -> [Int: TrialRow] {
    if numbers.isEmpty { return [:] }
    // The order is always the same, so that two transactions do not wait for each other.
    let rows = try session.run(
      """
      SELECT trial_id, number, state FROM trials
      WHERE study_id = ? AND number IN \(SQLDialect.placeholders(numbers.count)) ORDER BY number
      """ + session.dialect.forUpdate, [identifier] + numbers)
    return Dictionary(rows.compactMap(TrialRow.init).map { ($0.number, $0) }) { $1 }
  }

  /// Sets attributes of trials in one of their two tables; each value is a JSON text.
  func set(
    _ attributes: [(trial: Int64?, texts: [String: String])], in table: String, _ session: any DatabaseSession
  ) throws {
    try session.insert(
      into: table, ["trial_id", "key", "value_json"],
      attributes.flatMap { trial, texts in texts.sorted { $0.key < $1.key }.map { [trial, $0.key, $0.value] } },
      "ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json")
  }

  // MARK: - Attributes of the study

  /// All user attributes of the study, each a JSON text, including `model` and `space`.
  public func attributes() throws(StudyError) -> [String: String] {
    try database.read { session in
      let rows = try session.run("SELECT key, value_json FROM study_user_attributes WHERE study_id = ?", [identifier])
      return Dictionary(rows.map { ($0.text("key") ?? "", $0.text("value_json") ?? "null") }) { $1 }
    }
  }

  /// One user attribute of the study as JSON text; `nil` if it was never set.
  public func attribute(_ key: String) throws(StudyError) -> String? {
    try attributes()[key]
  }

  /// Sets user attributes of the study; each value is a JSON text.
  ///
  /// - Throws: `StudyError.invalidJSON`, `.invalidStudy` for `model` and `space`, `.readOnly`, `.notSearching`,
  ///   `.database`.
  public func setAttributes(_ attributes: [String: String]) throws(StudyError) {
    for key in [Key.model, Key.space] where attributes[key] != nil {
      throw .invalidStudy(reason: "the attribute '\(key)' is kept by the study itself")
    }
    try JSONText.check(attributes)
    try writeAsSearcher { session in
      try session.insert(
        into: "study_user_attributes", ["study_id", "key", "value_json"],
        attributes.sorted { $0.key < $1.key }.map { [identifier, $0.key, $0.value] },
        "ON CONFLICT (study_id, key) DO UPDATE SET value_json = excluded.value_json")
    }
  }
}
