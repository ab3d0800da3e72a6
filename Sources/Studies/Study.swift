import Foundation
import GRDB
import Search

/// A search on disk: a directory with `study.db`, an SQLite database in Optuna's relational schema.
///
/// Every change of state is one transaction, on disk when the call returns: a process that is killed loses the trials
/// it was evaluating and nothing else. One process at a time may write (`study.lock`); others may inspect, and Optuna's
/// own tools may look on.
public final class Study: Sendable {
  public static let fileName = "study.db"

  /// The attributes that the study itself keeps.
  enum Key {
    static let model = "model"
    static let space = "space"
    static let origin = "origin"
    static let failure = "failure"
    static let metricNames = "study:metric_names"
  }

  public enum Access: Sendable {
    /// Read and write, alone.
    case resume
    /// Read only, also while another process writes.
    case inspect
  }

  public let directory: URL
  public let name: String
  public let directions: [Direction]
  public let space: DesignSpace
  public let model: ModelIdentity
  public let access: Access

  let database: DatabaseQueue
  let identifier: Int64
  private let lock: StudyLock?

  /// The database file.
  public var file: URL { directory.appendingPathComponent(Self.fileName) }

  /// Whether a directory holds a study database, of whatever kind.
  public static func exists(at directory: URL) -> Bool {
    FileManager.default.fileExists(atPath: directory.appendingPathComponent(fileName).path)
  }

  // MARK: - Creating

  /// Makes a new study in a place and opens it for writing.
  ///
  /// The database is written beside its place and renamed into it, so that there is a whole study or none.
  ///
  /// - Parameters:
  ///   - place: the study takes over its lock.
  ///   - metricNames: what Optuna's tools call the objectives, one a direction.
  ///   - attributes: more study attributes, each value a JSON text. `model` and `space` are kept by the study itself.
  /// - Throws: `StudyError.file`, `.database`, `.invalidStudy`, `.invalidJSON`. The place then holds no database, and is
  ///   still the caller's.
  public static func create(
    in place: StudyPlace, name: String, directions: [Direction], metricNames: [String]? = nil, model: ModelIdentity,
    space: DesignSpace, attributes: [String: String] = [:]
  ) throws(StudyError) -> Study {
    try check(name: name, directions: directions, metricNames: metricNames, space: space, attributes: attributes)
    var all = attributes
    all[Key.model] = try JSONText.encode(model)
    all[Key.space] = try JSONText.encode(space)
    let metrics = try metricNames.map { names throws(StudyError) in try JSONText.encode(names) }
    let path = place.directory.appendingPathComponent(fileName).path
    let draft = path + ".new"
    do {
      remove(draft: draft)
      try write(draft, name: name, directions: directions, metrics: metrics, attributes: all)
      if rename(draft, path) != 0 { throw StudyError.file(path: path, reason: StudyLock.reason()) }
      return try Study(directory: place.directory, name: name, access: .resume, lock: place.lock)
    } catch {
      remove(draft: draft)
      throw StudyError(error, path: path)
    }
  }

  /// Makes a new study, and the directory where it is missing.
  ///
  /// - Throws: the errors of `StudyPlace.init(at:)` and of `create(in:…)`. Nothing is left behind then.
  public static func create(
    at directory: URL, name: String, directions: [Direction], metricNames: [String]? = nil, model: ModelIdentity,
    space: DesignSpace, attributes: [String: String] = [:]
  ) throws(StudyError) -> Study {
    let place = try StudyPlace(at: directory)
    do {
      return try create(
        in: place, name: name, directions: directions, metricNames: metricNames, model: model, space: space,
        attributes: attributes)
    } catch {
      place.abandon()
      throw error
    }
  }

  private static func check(
    name: String, directions: [Direction], metricNames: [String]?, space: DesignSpace, attributes: [String: String]
  ) throws(StudyError) {
    if name.isEmpty || name.count > 512 { throw .invalidStudy(reason: "its name has \(name.count) characters") }
    if directions.isEmpty { throw .invalidStudy(reason: "there is no objective") }
    if let metricNames, metricNames.count != directions.count {
      throw .invalidStudy(reason: "\(metricNames.count) metric names for \(directions.count) objectives")
    }
    for key in [Key.model, Key.space] where attributes[key] != nil {
      throw .invalidStudy(reason: "the attribute '\(key)' is kept by the study itself")
    }
    // Optuna keeps parameter values as 64-bit floating point numbers.
    for variable in space.variables where max(variable.lowest.magnitude, variable.highest.magnitude) > 1 << 53 {
      throw .invalidStudy(reason: "the values of '\(variable.name)' exceed 53 bits")
    }
    try JSONText.check(attributes)
  }

  private static func write(
    _ path: String, name: String, directions: [Direction], metrics: String?, attributes: [String: String]
  ) throws {
    let queue = try DatabaseQueue(path: path)
    try queue.write { database in
      try OptunaSchema.install(in: database)
      try database.execute(sql: "INSERT INTO studies (study_name) VALUES (?)", arguments: [name])
      let identifier = database.lastInsertedRowID
      for (objective, direction) in directions.enumerated() {
        try database.execute(
          sql: "INSERT INTO study_directions (direction, study_id, objective) VALUES (?, ?, ?)",
          arguments: [direction.rawValue, identifier, objective])
      }
      for (key, value) in attributes.sorted(by: { $0.key < $1.key }) {
        try database.execute(
          sql: "INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (?, ?, ?)",
          arguments: [identifier, key, value])
      }
      if let metrics {
        try database.execute(
          sql: "INSERT INTO study_system_attributes (study_id, key, value_json) VALUES (?, ?, ?)",
          arguments: [identifier, Key.metricNames, metrics])
      }
    }
    try queue.close()
  }

  private static func remove(draft: String) {
    for suffix in ["", "-journal", "-wal", "-shm"] { unlink(draft + suffix) }
  }

  // MARK: - Opening

  /// Opens a study that exists.
  ///
  /// Opened to resume, trials that an earlier process left running become `waiting`: the same candidates are to be
  /// begun again, and take over their rows.
  ///
  /// - Parameters:
  ///   - name: which study of the database; `nil` if it holds one only.
  ///   - model: the model the caller means. Another fingerprint is an error.
  ///   - space: the space the caller means. Another one is an error.
  /// - Throws: `StudyError.missing`, `.corrupt`, `.unsupportedSchema`, `.noSuchStudy`, `.inUse`, `.otherModel`,
  ///   `.otherSpace`, `.file`, `.database`.
  public static func open(
    at directory: URL, name: String? = nil, access: Access = .resume, model: ModelIdentity? = nil,
    space: DesignSpace? = nil
  ) throws(StudyError) -> Study {
    if !exists(at: directory) { throw .missing(path: directory.path) }
    var lock: StudyLock?
    if access == .resume {
      lock = try StudyLock(path: directory.appendingPathComponent(StudyPlace.lockName).path, directory: directory.path)
    }
    let study: Study
    do {
      study = try Study(directory: directory, name: name, access: access, lock: lock)
    } catch {
      throw StudyError(error, path: directory.appendingPathComponent(fileName).path)
    }
    if let model, model.fingerprint != study.model.fingerprint {
      throw .otherModel(path: directory.path, stored: study.model, requested: model)
    }
    if let space { try study.check(space) }
    if access == .resume { try study.releaseInterrupted() }
    return study
  }

  private init(directory: URL, name: String?, access: Access, lock: StudyLock?) throws {
    let path = directory.appendingPathComponent(Self.fileName).path
    var configuration = Configuration()
    configuration.busyMode = .timeout(20)
    configuration.readonly = access == .inspect
    var queue = try DatabaseQueue(path: path, configuration: configuration)
    let head: Head
    do {
      head = try queue.read { try Head($0, name: name, path: path) }
    } catch let error as DatabaseError where error.resultCode == .SQLITE_READONLY {
      // A process was killed within a transaction; only a connection that may write can undo that.
      try DatabaseQueue(path: path).read { _ = try OptunaSchema.migration(of: $0) }
      queue = try DatabaseQueue(path: path, configuration: configuration)
      head = try queue.read { try Head($0, name: name, path: path) }
    }
    if access == .resume {
      try queue.writeWithoutTransaction { database in
        try database.execute(sql: "PRAGMA journal_mode = WAL")
        // Every commit reaches the disk before the call returns, so that a power cut loses no more than a kill.
        try database.execute(sql: "PRAGMA synchronous = FULL")
      }
    }
    self.directory = directory
    self.name = head.name
    self.access = access
    self.lock = lock
    directions = head.directions
    space = head.space
    model = head.model
    identifier = head.identifier
    database = queue
  }

  /// What the database says about a study as a whole.
  private struct Head {
    let identifier: Int64
    let name: String
    let directions: [Direction]
    let space: DesignSpace
    let model: ModelIdentity

    init(_ database: Database, name: String?, path: String) throws {
      let migration = try OptunaSchema.migration(of: database)
      if migration != OptunaSchema.migration {
        throw StudyError.unsupportedSchema(path: path, found: migration, expected: OptunaSchema.migration)
      }
      let present = try String.fetchAll(database, sql: "SELECT study_name FROM studies ORDER BY study_id")
      let chosen = name ?? (present.count == 1 ? present[0] : nil)
      guard let chosen,
        let identifier = try Int64.fetchOne(
          database, sql: "SELECT study_id FROM studies WHERE study_name = ?", arguments: [chosen])
      else { throw StudyError.noSuchStudy(path: path, name: name, present: present) }
      self.identifier = identifier
      self.name = chosen
      directions = try String.fetchAll(
        database, sql: "SELECT direction FROM study_directions WHERE study_id = ? ORDER BY objective",
        arguments: [identifier]
      ).map { text in
        guard let direction = Direction(rawValue: text) else {
          throw StudyError.corrupt(path: path, reason: "an objective's direction is '\(text)'")
        }
        return direction
      }
      func attribute<Value: Decodable>(_ type: Value.Type, _ key: String) throws -> Value {
        let text = try String.fetchOne(
          database, sql: "SELECT value_json FROM study_user_attributes WHERE study_id = ? AND key = ?",
          arguments: [identifier, key])
        guard let text, let value = try? JSONText.decode(type, from: text) else {
          throw StudyError.corrupt(path: path, reason: "the study's attribute '\(key)' is missing or not readable")
        }
        return value
      }
      space = try attribute(DesignSpace.self, Key.space)
      model = try attribute(ModelIdentity.self, Key.model)
    }
  }

  /// - Throws: `StudyError.otherSpace` unless the study was made for this space.
  public func check(_ requested: DesignSpace) throws(StudyError) {
    if requested == space { return }
    throw .otherSpace(path: directory.path, difference: Self.difference(stored: space, requested: requested))
  }

  private static func difference(stored: DesignSpace, requested: DesignSpace) -> String {
    for (old, new) in zip(stored.variables, requested.variables) where old != new {
      if old.name != new.name { return "it has '\(old.name)' where '\(new.name)' is asked for" }
      return "'\(old.name)' is declared differently"
    }
    return "it has \(stored.variables.count) variables, not \(requested.variables.count)"
  }

  /// Ends the use of the study and lets others have it.
  ///
  /// The database is left as one plain file, if no one else has it open. After a kill, what the study committed may lie
  /// in `study.db-wal` until it is next opened; it is whole then, too.
  public func close() throws(StudyError) {
    do {
      leaveOneFile()
      try database.close()
    } catch {
      throw StudyError(error, path: file.path)
    }
    lock?.release()
  }

  deinit { leaveOneFile() }

  private func leaveOneFile() {
    if access == .resume {
      try? database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = DELETE") }
    }
  }
}

extension StudyError {
  /// Puts an error of the database or of the study itself into a study's words.
  init(_ error: any Error, path: String) {
    switch error {
    case let error as StudyError: self = error
    case let error as DatabaseError:
      let reason = error.message ?? "\(error.resultCode)"
      switch error.resultCode {
      case .SQLITE_NOTADB, .SQLITE_CORRUPT: self = .corrupt(path: path, reason: reason)
      default: self = .database(path: path, reason: reason)
      }
    default: self = .database(path: path, reason: "\(error)")
    }
  }
}
