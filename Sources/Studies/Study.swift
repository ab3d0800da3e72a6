import Foundation
import Search

/// A search in a database: a directory with `study.db`, an SQLite file, or a name in a PostgreSQL database. Both have
/// Optuna's relational schema.
///
/// Every change of state is one transaction, on disk when the call returns: a killed process loses only the trials that
/// it was evaluating. One process at a time may search (`study.lock`, or an advisory lock of the server). Others may
/// work for it (`claim`, see `StudyClaims.swift`) or inspect, and Optuna's own tools may read.
///
/// ```swift
/// let study = try StudyAddress("postgresql://search@host/studies#qwen").open(access: .work)
/// ```
public final class Study: Sendable, CustomStringConvertible {
  public static let fileName = "study.db"

  /// The attributes that the study itself keeps.
  enum Key {
    static let model = "model"
    static let space = "space"
    static let origin = "origin"
    static let failure = "failure"
    static let metricNames = "study:metric_names"
    /// System attribute of a trial: the worker that holds it or gave its result.
    static let owner = "nas_search:owner"
    /// System attribute of a trial: number of times that its lease expired.
    static let expired = "nas_search:expired"
  }

  public enum Access: Sendable {
    /// Search: read and write, add trials. One process at a time.
    case resume
    /// Evaluate trials for the searching process: read, claim and deliver. Any number of processes.
    case work
    /// Read only, also while others write.
    case inspect
  }

  public let location: StudyLocation
  public let name: String
  public let directions: [Direction]
  public let space: DesignSpace
  public let model: ModelIdentity
  public let access: Access

  let database: any StudyDatabase
  let identifier: Int64
  private let lock: StudyLock?

  /// The directory, or the URL without its password and the name, for messages.
  public var description: String { location.studyName(name) }

  /// The place of the database, or of another file of the study, for messages.
  public func path(of name: String = fileName) -> String {
    switch location {
    case .folder(let directory): directory.appendingPathComponent(name).path
    case .server: name == Self.fileName ? description : "\(description), \(name)"
    }
  }

  init(
    _ location: StudyLocation, _ database: any StudyDatabase, _ head: StudyHead, access: Access, lock: StudyLock?
  ) {
    self.location = location
    self.database = database
    self.access = access
    self.lock = lock
    name = head.name
    directions = head.directions
    space = head.space
    model = head.model
    identifier = head.identifier
  }

  // MARK: - Opening

  /// Whether a directory holds a study database of any kind.
  public static func exists(at directory: URL) -> Bool {
    FileManager.default.fileExists(atPath: directory.appendingPathComponent(fileName).path)
  }

  /// Whether there is a study: a database file of any kind in a folder, or a study of this name on a server.
  ///
  /// - Throws: `StudyError.database` if the server cannot be asked.
  public static func exists(at location: StudyLocation, name: String) throws(StudyError) -> Bool {
    switch location {
    case .folder(let directory): return exists(at: directory)
    case .server(let url):
      let database = try PostgresDatabase(url)
      let found = try database.read { try OptunaSchema.hasStudy($0, named: name) }
      try database.close()
      return found
    }
  }

  /// Opens a study that exists.
  ///
  /// If it is opened to resume, trials that an earlier searching process left running become `waiting`: the same
  /// candidates begin again and take over their rows. Trials that workers have claimed stay with them until they
  /// expire.
  ///
  /// - Parameters:
  ///   - name: name of the study in the database; `nil` if only one was made here.
  ///   - model: the expected model. Another fingerprint is an error.
  ///   - space: the expected space. Another one is an error.
  /// - Throws: `StudyError.missing`, `.corrupt`, `.unsupportedSchema`, `.noSuchStudy`, `.inUse`, `.otherModel`,
  ///   `.otherSpace`, `.file`, `.database`.
  public static func open(
    _ location: StudyLocation, name: String? = nil, access: Access = .resume, model: ModelIdentity? = nil,
    space: DesignSpace? = nil
  ) throws(StudyError) -> Study {
    let study =
      switch location {
      case .folder(let directory): try openFolder(directory, name: name, access: access)
      case .server(let url): try openServer(url, name: name, access: access)
      }
    if let model, model.fingerprint != study.model.fingerprint {
      throw .otherModel(path: study.description, stored: study.model, requested: model)
    }
    if let space { try study.check(space) }
    if access != .inspect { try study.rehearse() }
    if access == .resume { try study.releaseInterrupted() }
    return study
  }

  private static func openFolder(_ directory: URL, name: String?, access: Access) throws(StudyError) -> Study {
    if !exists(at: directory) { throw .missing(path: directory.path) }
    var lock: StudyLock?
    if access == .resume {
      lock = try StudyLock(path: directory.appendingPathComponent(StudyPlace.lockName).path, directory: directory.path)
    }
    return try folder(directory, name: name, access: access, lock: lock)
  }

  /// Opens a database in a directory. The caller has the lock, if it needs one.
  static func folder(_ directory: URL, name: String?, access: Access, lock: StudyLock?) throws(StudyError) -> Study {
    let path = directory.appendingPathComponent(fileName).path
    let database = try SQLiteDatabase(path: path, isReadOnly: access == .inspect)
    let head = try database.read { try StudyHead($0, name: name, path: path) }
    if access != .inspect { try database.useWriteAheadLog() }
    return Study(.folder(directory), database, head, access: access, lock: lock)
  }

  private static func openServer(_ url: PostgresURL, name: String?, access: Access) throws(StudyError) -> Study {
    let database = try PostgresDatabase(url)
    let head = try database.read { try StudyHead($0, name: name, path: url.description) }
    if access == .resume { try database.holdLock(named: head.name) }
    return Study(.server(url), database, head, access: access, lock: nil)
  }

  /// - Throws: `StudyError.otherSpace` unless the study was made for this space.
  public func check(_ requested: DesignSpace) throws(StudyError) {
    if requested == space { return }
    throw .otherSpace(path: description, difference: Self.difference(stored: space, requested: requested))
  }

  private static func difference(stored: DesignSpace, requested: DesignSpace) -> String {
    for (old, new) in zip(stored.variables, requested.variables) where old != new {
      if old.name != new.name { return "it has '\(old.name)' where '\(new.name)' is asked for" }
      return "'\(old.name)' is declared differently"
    }
    return "it has \(stored.variables.count) variables, not \(requested.variables.count)"
  }

  /// Stores a trial and undoes it, so that a user without the right to write gets the error early.
  private func rehearse() throws(StudyError) {
    try database.rehearse { session in
      try Self.rehearseTrial(of: identifier, session)
      try session.insert(
        into: "study_user_attributes", ["study_id", "key", "value_json"], [[identifier, "nas_search:trial", "0"]])
    }
  }

  /// The statements of a trial's life, with a number that no trial has.
  static func rehearseTrial(of study: Int64, _ session: any DatabaseSession) throws {
    let created = try session.insert(
      into: "trials", ["number", "study_id", "state"], [[-1, study, TrialState.waiting.rawValue]],
      "RETURNING trial_id")
    let trial = created.first?.integer("trial_id")
    try session.insert(
      into: "trial_params", ["trial_id", "param_name", "param_value", "distribution_json"], [[trial, "x", 0.0, "{}"]])
    for table in ["trial_user_attributes", "trial_system_attributes"] {
      try session.insert(into: table, ["trial_id", "key", "value_json"], [[trial, "x", "0"]])
    }
    try session.insert(
      into: "trial_values", ["trial_id", "objective", "value", "value_type"], [[trial, 0, 0.0, "FINITE"]])
    try session.run("INSERT INTO trial_heartbeats (trial_id, heartbeat) VALUES (?, \(session.dialect.now))", [trial])
    try session.run("UPDATE trials SET state = ? WHERE trial_id = ?", [TrialState.running.rawValue, trial])
    try session.run("UPDATE trial_heartbeats SET heartbeat = \(session.dialect.now) WHERE trial_id = ?", [trial])
    try session.run("DELETE FROM trial_system_attributes WHERE trial_id = ?", [trial])
    try session.run("DELETE FROM trial_heartbeats WHERE trial_id = ?", [trial])
  }

  /// Ends the use of the study and lets others have it.
  ///
  /// A database file is left as one plain file, if no other process has it open. After a kill, committed changes may
  /// lie in `study.db-wal` until the study is next opened; it is complete then, too.
  public func close() throws(StudyError) {
    try database.close()
    lock?.release()
  }

  // MARK: - The database

  /// - Throws: `StudyError.readOnly` if the study was opened to inspect.
  @discardableResult
  func write<Value: Sendable>(_ body: (any DatabaseSession) throws -> Value) throws(StudyError) -> Value {
    if access == .inspect { throw .readOnly(path: description) }
    return try database.write(body)
  }

  /// Checks for changes that only the searching process may make.
  ///
  /// - Throws: `StudyError.readOnly`, `.notSearching`.
  @discardableResult
  func writeAsSearcher<Value: Sendable>(_ body: (any DatabaseSession) throws -> Value) throws(StudyError) -> Value {
    if access == .work { throw .notSearching(path: description) }
    return try write(body)
  }
}

/// The database's record of a study as a whole.
struct StudyHead: Sendable {
  let identifier: Int64
  let name: String
  let directions: [Direction]
  let space: DesignSpace
  let model: ModelIdentity

  /// - Parameter path: path of the database, for errors.
  init(_ session: some DatabaseSession, name: String?, path: String) throws {
    try OptunaSchema.check(session, path: path)
    let (identifier, found) = try Self.chosen(session, name: name, path: path)
    self.identifier = identifier
    self.name = found
    directions = try session.run(
      "SELECT direction FROM study_directions WHERE study_id = ? ORDER BY objective", [identifier]
    ).map { row in
      let text = row.text("direction") ?? ""
      guard let direction = Direction(rawValue: text) else {
        throw StudyError.corrupt(path: path, reason: "an objective's direction is '\(text)'")
      }
      return direction
    }
    func attribute<Value: Decodable>(_ type: Value.Type, _ key: String) throws -> Value {
      let rows = try session.run(
        "SELECT value_json FROM study_user_attributes WHERE study_id = ? AND key = ?", [identifier, key])
      guard let text = rows.first?.text("value_json"), let value = try? JSONText.decode(type, from: text) else {
        throw StudyError.corrupt(path: path, reason: "the study's attribute '\(key)' is missing or not readable")
      }
      return value
    }
    space = try attribute(DesignSpace.self, Study.Key.space)
    model = try attribute(ModelIdentity.self, Study.Key.model)
  }

  /// Finds the study: the one of that name, or the only one that was made here. Optuna may keep others beside it.
  ///
  /// - Throws: `StudyError.noSuchStudy`, `.foreignStudy`.
  private static func chosen(
    _ session: some DatabaseSession, name: String?, path: String
  ) throws -> (identifier: Int64, name: String) {
    let rows = try session.run(
      """
      SELECT study_id, study_name, EXISTS (
        SELECT 1 FROM study_user_attributes AS a WHERE a.study_id = studies.study_id AND (
          a.key = ? AND a.value_json LIKE '%"segment"%' OR a.key = ? AND a.value_json LIKE '%"fingerprint"%')) AS own
      FROM studies ORDER BY study_id
      """, [Study.Key.space, Study.Key.model])
    let studies = rows.compactMap { row in
      row.integer("study_id").map {
        (identifier: $0, name: row.text("study_name") ?? "", isOwn: row.integer("own") == 1)
      }
    }
    let named = studies.filter { name == nil || $0.name == name }
    let own = named.filter(\.isOwn)
    if let only = own.first, own.count == 1 { return (only.identifier, only.name) }
    if own.isEmpty, !named.isEmpty { throw StudyError.foreignStudy(path: path, names: named.map(\.name)) }
    throw StudyError.noSuchStudy(
      path: path, name: name, present: (name == nil ? own : studies).map(\.name))
  }
}
