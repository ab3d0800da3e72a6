import Search

extension Study {
  /// All trials, by number.
  ///
  /// - Throws: `StudyError.unreadableTrial` if one is not a genome of the space or incomplete; `.corrupt`, `.database`.
  public func trials() throws(StudyError) -> [StoredTrial] {
    try database.read { try stored($0, numbers: nil) }
  }

  /// Some of the trials, by number. Numbers without a trial are left out.
  ///
  /// - Throws: as `trials()`.
  public func trials(numbers: [Int]) throws(StudyError) -> [StoredTrial] {
    try database.read { try stored($0, numbers: numbers) }
  }

  /// - Parameter numbers: numbers of the trials; `nil` for all.
  func stored(_ session: any DatabaseSession, numbers: [Int]?) throws -> [StoredTrial] {
    if let numbers, numbers.isEmpty { return [] }
    let selection =
      "study_id = ?" + (numbers.map { " AND number IN \(SQLDialect.placeholders($0.count))" } ?? "")
    let arguments: [any SQLArgument] = [identifier] + (numbers ?? [])
    func rows(_ columns: String, _ table: String) throws -> [Int64: [SQLRow]] {
      let rows = try session.run(
        """
        SELECT trial_id, \(columns) FROM \(table)
        WHERE trial_id IN (SELECT trial_id FROM trials WHERE \(selection))
        """, arguments)
      return Dictionary(grouping: rows) { $0.integer("trial_id") ?? 0 }
    }
    let parameters = try rows("param_name, param_value", "trial_params")
    let values = try rows("objective, value, value_type", "trial_values")
    let attributes = try rows("key, value_json", "trial_user_attributes")
    let system = try rows("key, value_json", "trial_system_attributes")
    let trials = try session.run(
      """
      SELECT trial_id, number, state, datetime_start, datetime_complete FROM trials
      WHERE \(selection) ORDER BY number
      """, arguments)
    return try trials.map { row in
      let identifier = row.integer("trial_id") ?? 0
      return try StoredTrial(
        row, parameters: parameters[identifier] ?? [], values: values[identifier] ?? [],
        attributes: attributes[identifier] ?? [], system: system[identifier] ?? [], space: space,
        objectives: directions.count, path: description)
    }
  }
}

extension StoredTrial {
  init(
    _ row: SQLRow, parameters: [SQLRow], values: [SQLRow], attributes: [SQLRow], system: [SQLRow], space: DesignSpace,
    objectives: Int, path: String
  ) throws(StudyError) {
    let number = Int(row.integer("number") ?? -1)
    func unreadable(_ reason: String) -> StudyError { .unreadableTrial(path: path, number: number, reason: reason) }

    let stateName = row.text("state") ?? ""
    guard let state = TrialState(rawValue: stateName) else { throw unreadable("its state is '\(stateName)'") }
    let byName = Dictionary(parameters.map { ($0.text("param_name") ?? "", $0.real("param_value")) }) { $1 }
    var genome: Genome = []
    for variable in space.variables {
      // As in Optuna, a trial has no value for an inactive parameter.
      if variable.condition != nil, byName[variable.name] == nil {
        genome.append(variable.lowest)
        continue
      }
      guard let stored = byName[variable.name], let value = stored.flatMap(Int.init(exactly:)) else {
        throw unreadable("it has no integer value for '\(variable.name)'")
      }
      genome.append(value)
    }
    do {
      try space.validate(genome)
    } catch {
      throw unreadable("\(error)")
    }
    let ordered = values.sorted { ($0.integer("objective") ?? 0) < ($1.integer("objective") ?? 0) }
    let numbers = ordered.compactMap { OptunaValue.value($0.real("value"), type: $0.text("value_type") ?? "") }
    if state == .complete && numbers.count != objectives {
      throw unreadable("it is complete with \(numbers.count) values for \(objectives) objectives")
    }
    func texts(_ rows: [SQLRow]) -> [String: String] {
      Dictionary(rows.map { ($0.text("key") ?? "", $0.text("value_json") ?? "null") }) { $1 }
    }
    func word(_ text: String?) -> String? { text.flatMap { try? JSONText.decode(String.self, from: $0) } }
    var user = texts(attributes)
    let origin = word(user.removeValue(forKey: Study.Key.origin))

    self.number = number
    self.state = state
    self.genome = genome
    self.origin = origin ?? ""
    self.values = state == .complete ? numbers : []
    self.attributes = user
    owner = word(texts(system)[Study.Key.owner])
    started = row.text("datetime_start").flatMap(OptunaDate.date)
    ended = row.text("datetime_complete").flatMap(OptunaDate.date)
  }
}
