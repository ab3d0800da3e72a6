import Foundation
import GRDB
import Search

/// The trials of a study, and its attributes.
extension Study {
  // MARK: - Changing

  /// Records that a candidate is being evaluated.
  ///
  /// - Parameter number: the candidate's ordinal: that of a `waiting` trial with this genome, or the next free number.
  /// - Throws: `StudyError.trialOutOfOrder`, `.wrongState`, `.genomeChanged`, `.readOnly`, `.database`.
  public func beginTrial(number: Int, genome: Genome, origin: String) throws(StudyError) {
    try beginTrials([Candidate(ordinal: number, genome: genome, origin: origin)])
  }

  /// Records that several candidates are being evaluated, all or none of them.
  public func beginTrials(_ candidates: [Candidate]) throws(StudyError) {
    for candidate in candidates {
      do {
        try space.validate(candidate.genome)
      } catch {
        throw .unreadableTrial(path: directory.path, number: candidate.ordinal, reason: "\(error)")
      }
    }
    let distributions = try space.variables.map { variable throws(StudyError) in
      try OptunaSchema.distribution(of: variable)
    }
    let now = OptunaDate.text(Date())
    try write { database in
      for candidate in candidates {
        let existing = try Row.fetchOne(
          database, sql: "SELECT trial_id, state FROM trials WHERE study_id = ? AND number = ?",
          arguments: [identifier, candidate.ordinal])
        if let existing {
          try beginAgain(candidate, trial: existing["trial_id"], state: existing["state"], now: now, in: database)
        } else {
          try beginNew(candidate, distributions: distributions, now: now, in: database)
        }
      }
    }
  }

  private func beginNew(
    _ candidate: Candidate, distributions: [String], now: String, in database: Database
  ) throws {
    let next =
      try Int.fetchOne(
        database, sql: "SELECT COUNT(*) FROM trials WHERE study_id = ?", arguments: [identifier]) ?? 0
    if candidate.ordinal != next { throw StudyError.trialOutOfOrder(number: candidate.ordinal, expected: next) }
    try database.execute(
      sql: "INSERT INTO trials (number, study_id, state, datetime_start) VALUES (?, ?, ?, ?)",
      arguments: [candidate.ordinal, identifier, TrialState.running.rawValue, now])
    let trial = database.lastInsertedRowID
    let insert = try database.cachedStatement(
      sql: "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (?, ?, ?, ?)")
    for (index, variable) in space.variables.enumerated() {
      try insert.execute(arguments: [trial, variable.name, Double(candidate.genome[index]), distributions[index]])
    }
    try set([Key.origin: JSONText.encode(candidate.origin)], trial: trial, in: database)
  }

  private func beginAgain(
    _ candidate: Candidate, trial: Int64, state: String, now: String, in database: Database
  ) throws {
    if state != TrialState.waiting.rawValue {
      throw StudyError.wrongState(number: candidate.ordinal, state: TrialState(rawValue: state), wanted: "begun")
    }
    let stored = try self.stored(database, only: candidate.ordinal)
    if let genome = stored.first?.genome, genome != candidate.genome {
      throw StudyError.genomeChanged(number: candidate.ordinal, stored: genome, given: candidate.genome)
    }
    try database.execute(
      sql: "UPDATE trials SET state = ?, datetime_start = ? WHERE trial_id = ?",
      arguments: [TrialState.running.rawValue, now, trial])
  }

  /// Records the result of a running trial.
  ///
  /// - Parameters:
  ///   - values: one an objective; infinities are allowed.
  ///   - attributes: user attributes, each value a JSON text.
  /// - Throws: `StudyError.wrongState`, `.wrongValueCount`, `.notANumber`, `.invalidJSON`, `.readOnly`, `.database`.
  public func complete(
    _ number: Int, values: [Double], attributes: [String: String] = [:]
  ) throws(StudyError) {
    try end([.values(number, values, attributes: attributes)])
  }

  /// Records that a running trial has no result.
  ///
  /// - Throws: `StudyError.wrongState`, `.invalidJSON`, `.readOnly`, `.database`.
  public func fail(_ number: Int, reason: String, attributes: [String: String] = [:]) throws(StudyError) {
    try end([.failure(number, reason: reason, attributes: attributes)])
  }

  /// How a running trial ends.
  enum Ending {
    case values(Int, [Double], attributes: [String: String])
    case failure(Int, reason: String, attributes: [String: String])
  }

  /// Records how trials ended: all of it or, where anything is wrong, nothing.
  func end(_ endings: [Ending]) throws(StudyError) {
    for ending in endings {
      switch ending {
      case .values(let number, let values, let attributes):
        if values.count != directions.count {
          throw .wrongValueCount(number: number, expected: directions.count, found: values.count)
        }
        if values.contains(where: \.isNaN) { throw .notANumber(number: number) }
        try JSONText.check(attributes)
      case .failure(_, _, let attributes): try JSONText.check(attributes)
      }
    }
    try write { database in
      for ending in endings {
        switch ending {
        case .values(let number, let values, let attributes):
          let trial = try end(number, as: .complete, in: database)
          for (objective, value) in values.enumerated() {
            let columns = OptunaValue.columns(value)
            try database.execute(
              sql: "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?, ?, ?, ?)",
              arguments: [trial, objective, columns.value, columns.type])
          }
          try set(attributes, trial: trial, in: database)
        case .failure(let number, let reason, let attributes):
          let all = attributes.merging([Key.failure: try JSONText.encode(reason)]) { $1 }
          try set(all, trial: end(number, as: .failed, in: database), in: database)
        }
      }
    }
  }

  /// Moves a running trial to its last state and returns its row's identifier.
  private func end(_ number: Int, as state: TrialState, in database: Database) throws -> Int64 {
    let row = try Row.fetchOne(
      database, sql: "SELECT trial_id, state FROM trials WHERE study_id = ? AND number = ?",
      arguments: [identifier, number])
    guard let row, row["state"] == TrialState.running.rawValue else {
      let found = row.flatMap { TrialState(rawValue: $0["state"]) }
      throw StudyError.wrongState(
        number: number, state: found, wanted: state == .complete ? "completed" : "failed")
    }
    let trial: Int64 = row["trial_id"]
    try database.execute(
      sql: "UPDATE trials SET state = ?, datetime_complete = ? WHERE trial_id = ?",
      arguments: [state.rawValue, OptunaDate.text(Date()), trial])
    return trial
  }

  /// Makes running trials wait to be begun again: those that a killed process left, or that a stop cut short.
  public func releaseInterrupted() throws(StudyError) {
    try write { database in
      try database.execute(
        sql: "UPDATE trials SET state = ?, datetime_start = NULL WHERE study_id = ? AND state = ?",
        arguments: [TrialState.waiting.rawValue, identifier, TrialState.running.rawValue])
    }
  }

  private func set(_ attributes: [String: String], trial: Int64, in database: Database) throws {
    for (key, value) in attributes.sorted(by: { $0.key < $1.key }) {
      try database.execute(
        sql: """
          INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES (?, ?, ?)
          ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json
          """, arguments: [trial, key, value])
    }
  }

  // MARK: - Attributes of the study

  /// All user attributes of the study, each a JSON text, among them `model` and `space`.
  public func attributes() throws(StudyError) -> [String: String] {
    try read { database in
      let rows = try Row.fetchAll(
        database, sql: "SELECT key, value_json FROM study_user_attributes WHERE study_id = ?",
        arguments: [identifier])
      return Dictionary(
        rows.map { row in (row["key"] as String? ?? "", row["value_json"] as String? ?? "null") }
      ) { $1 }
    }
  }

  /// One user attribute of the study as JSON text, `nil` if it was never set.
  public func attribute(_ key: String) throws(StudyError) -> String? {
    try attributes()[key]
  }

  /// Sets user attributes of the study, each value a JSON text.
  ///
  /// - Throws: `StudyError.invalidJSON`, `.invalidStudy` for `model` and `space`, `.readOnly`, `.database`.
  public func setAttributes(_ attributes: [String: String]) throws(StudyError) {
    for key in [Key.model, Key.space] where attributes[key] != nil {
      throw .invalidStudy(reason: "the attribute '\(key)' is kept by the study itself")
    }
    try JSONText.check(attributes)
    try write { database in
      for (key, value) in attributes.sorted(by: { $0.key < $1.key }) {
        try database.execute(
          sql: """
            INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (?, ?, ?)
            ON CONFLICT (study_id, key) DO UPDATE SET value_json = excluded.value_json
            """, arguments: [identifier, key, value])
      }
    }
  }

  // MARK: - Reading

  /// All trials, by number.
  ///
  /// - Throws: `StudyError.unreadableTrial` if one is not a genome of the space or incomplete; `.corrupt`, `.database`.
  public func trials() throws(StudyError) -> [StoredTrial] {
    try read { try stored($0, only: nil) }
  }

  private func stored(_ database: Database, only number: Int?) throws -> [StoredTrial] {
    let selection = "study_id = ?" + (number == nil ? "" : " AND number = ?")
    let arguments: StatementArguments = number.map { [identifier, $0] } ?? [identifier]
    func rows(_ columns: String, _ table: String) throws -> [Int64: [Row]] {
      let sql = """
        SELECT trial_id, \(columns) FROM \(table)
        WHERE trial_id IN (SELECT trial_id FROM trials WHERE \(selection))
        """
      return Dictionary(grouping: try Row.fetchAll(database, sql: sql, arguments: arguments)) { $0["trial_id"] }
    }
    let parameters = try rows("param_name, param_value", "trial_params")
    let values = try rows("objective, value, value_type", "trial_values")
    let attributes = try rows("key, value_json", "trial_user_attributes")
    let trials = try Row.fetchAll(
      database,
      sql: """
        SELECT trial_id, number, state, datetime_start, datetime_complete FROM trials
        WHERE \(selection) ORDER BY number
        """, arguments: arguments)
    return try trials.map { row in
      let identifier: Int64 = row["trial_id"]
      return try StoredTrial(
        row, parameters: parameters[identifier] ?? [], values: values[identifier] ?? [],
        attributes: attributes[identifier] ?? [], space: space, objectives: directions.count, path: directory.path)
    }
  }

  // MARK: - The database

  private func read<Value>(_ body: (Database) throws -> Value) throws(StudyError) -> Value {
    do {
      return try database.read(body)
    } catch {
      throw StudyError(error, path: file.path)
    }
  }

  private func write(_ body: (Database) throws -> Void) throws(StudyError) {
    if access == .inspect { throw .readOnly(path: directory.path) }
    do {
      try database.write(body)
    } catch {
      throw StudyError(error, path: file.path)
    }
  }
}

extension StoredTrial {
  init(
    _ row: Row, parameters: [Row], values: [Row], attributes: [Row], space: DesignSpace, objectives: Int, path: String
  ) throws {
    let number: Int = row["number"] ?? -1
    func unreadable(_ reason: String) -> StudyError { .unreadableTrial(path: path, number: number, reason: reason) }

    let stateName: String = row["state"] ?? ""
    guard let state = TrialState(rawValue: stateName) else { throw unreadable("its state is '\(stateName)'") }
    let byName = Dictionary(parameters.map { ($0["param_name"] as String? ?? "", $0["param_value"] as Double?) }) { $1 }
    let genome: Genome = try space.variables.map { variable in
      guard let stored = byName[variable.name], let value = stored.flatMap(Int.init(exactly:)) else {
        throw unreadable("it has no integer value for '\(variable.name)'")
      }
      return value
    }
    do {
      try space.validate(genome)
    } catch {
      throw unreadable("\(error)")
    }
    let ordered = values.sorted { ($0["objective"] ?? 0) < ($1["objective"] ?? 0) }
    let numbers = ordered.compactMap { OptunaValue.value($0["value"], type: $0["value_type"] ?? "") }
    if state == .complete && numbers.count != objectives {
      throw unreadable("it is complete with \(numbers.count) values for \(objectives) objectives")
    }
    var texts = Dictionary(
      attributes.map { row in (row["key"] as String? ?? "", row["value_json"] as String? ?? "null") }
    ) { $1 }
    let origin = texts.removeValue(forKey: Study.Key.origin).flatMap { try? JSONText.decode(String.self, from: $0) }

    self.number = number
    self.state = state
    self.genome = genome
    self.origin = origin ?? ""
    self.values = state == .complete ? numbers : []
    self.attributes = texts
    started = (row["datetime_start"] as String?).flatMap(OptunaDate.date)
    ended = (row["datetime_complete"] as String?).flatMap(OptunaDate.date)
  }
}
