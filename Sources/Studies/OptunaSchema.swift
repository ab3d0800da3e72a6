import Foundation
import GRDB
import Search

/// The tables of Optuna's relational storage, as its versions 3.2 to 5 create them in SQLite.
///
/// A study is stored in these tables and nothing else, so `optuna.load_study` and `optuna-dashboard` open it unchanged,
/// also while a search is writing to it. Source: the database that Optuna 5.0.0 makes (migration `v3.2.0.a`, schema
/// version 12), read back with `SELECT sql FROM sqlite_master`.
enum OptunaSchema {
  /// The migration that Optuna compares with its own.
  static let migration = "v3.2.0.a"
  static let version = 12
  /// The oldest library version that writes this schema; Optuna only shows it when the migration differs.
  static let libraryVersion = "4.0.0"

  static let statements = [
    """
    CREATE TABLE studies (
      study_id INTEGER NOT NULL, study_name VARCHAR(512) NOT NULL, PRIMARY KEY (study_id))
    """,
    "CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name)",
    """
    CREATE TABLE version_info (
      version_info_id INTEGER NOT NULL, schema_version INTEGER, library_version VARCHAR(256),
      PRIMARY KEY (version_info_id), CHECK (version_info_id=1))
    """,
    """
    CREATE TABLE study_directions (
      study_direction_id INTEGER NOT NULL, direction VARCHAR(8) NOT NULL, study_id INTEGER NOT NULL,
      objective INTEGER NOT NULL, PRIMARY KEY (study_direction_id), UNIQUE (study_id, objective),
      FOREIGN KEY(study_id) REFERENCES studies (study_id))
    """,
    attributes(of: "study", "studies", kind: "user"),
    attributes(of: "study", "studies", kind: "system"),
    """
    CREATE TABLE trials (
      trial_id INTEGER NOT NULL, number INTEGER, study_id INTEGER, state VARCHAR(8) NOT NULL,
      datetime_start DATETIME, datetime_complete DATETIME, PRIMARY KEY (trial_id),
      FOREIGN KEY(study_id) REFERENCES studies (study_id))
    """,
    "CREATE INDEX ix_trials_study_id ON trials (study_id)",
    attributes(of: "trial", "trials", kind: "user"),
    attributes(of: "trial", "trials", kind: "system"),
    """
    CREATE TABLE trial_params (
      param_id INTEGER NOT NULL, trial_id INTEGER, param_name VARCHAR(512), param_value FLOAT, distribution_json TEXT,
      PRIMARY KEY (param_id), UNIQUE (trial_id, param_name), FOREIGN KEY(trial_id) REFERENCES trials (trial_id))
    """,
    """
    CREATE TABLE trial_values (
      trial_value_id INTEGER NOT NULL, trial_id INTEGER NOT NULL, objective INTEGER NOT NULL, value FLOAT,
      value_type VARCHAR(7) NOT NULL, PRIMARY KEY (trial_value_id), UNIQUE (trial_id, objective),
      FOREIGN KEY(trial_id) REFERENCES trials (trial_id))
    """,
    """
    CREATE TABLE trial_intermediate_values (
      trial_intermediate_value_id INTEGER NOT NULL, trial_id INTEGER NOT NULL, step INTEGER NOT NULL,
      intermediate_value FLOAT, intermediate_value_type VARCHAR(7) NOT NULL, PRIMARY KEY (trial_intermediate_value_id),
      UNIQUE (trial_id, step), FOREIGN KEY(trial_id) REFERENCES trials (trial_id))
    """,
    """
    CREATE TABLE trial_heartbeats (
      trial_heartbeat_id INTEGER NOT NULL, trial_id INTEGER NOT NULL, heartbeat DATETIME NOT NULL,
      PRIMARY KEY (trial_heartbeat_id), UNIQUE (trial_id), FOREIGN KEY(trial_id) REFERENCES trials (trial_id))
    """,
    """
    CREATE TABLE alembic_version (
      version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))
    """,
  ]

  /// The four attribute tables differ in their names only.
  private static func attributes(of owner: String, _ table: String, kind: String) -> String {
    """
    CREATE TABLE \(owner)_\(kind)_attributes (
      \(owner)_\(kind)_attribute_id INTEGER NOT NULL, \(owner)_id INTEGER, "key" VARCHAR(512), value_json TEXT,
      PRIMARY KEY (\(owner)_\(kind)_attribute_id), UNIQUE (\(owner)_id, "key"),
      FOREIGN KEY(\(owner)_id) REFERENCES \(table) (\(owner)_id))
    """
  }

  /// Creates the tables and marks them with their version.
  static func install(in database: Database) throws {
    for statement in statements { try database.execute(sql: statement) }
    try database.execute(
      sql: "INSERT INTO version_info (version_info_id, schema_version, library_version) VALUES (1, ?, ?)",
      arguments: [version, libraryVersion])
    try database.execute(sql: "INSERT INTO alembic_version (version_num) VALUES (?)", arguments: [migration])
  }

  /// The migration a database was brought to, `nil` if it is not a storage of Optuna's.
  static func migration(of database: Database) throws -> String? {
    guard try database.tableExists("alembic_version"), try database.tableExists("trials") else { return nil }
    return try String.fetchOne(database, sql: "SELECT version_num FROM alembic_version")
  }

  /// The distribution of a parameter, in the form Optuna stores beside each value.
  static func distribution(of variable: Variable) throws(StudyError) -> String {
    switch variable.domain {
    case .integer(let low, let high, let step):
      try JSONText.encode(Distribution(name: "IntDistribution", attributes: .init(low: low, high: high, step: step)))
    case .categorical(let choices):
      try JSONText.encode(Distribution(name: "CategoricalDistribution", attributes: .init(choices: choices)))
    }
  }

  private struct Distribution: Encodable {
    let name: String
    let attributes: Attributes

    struct Attributes: Encodable {
      var log: Bool?
      var low: Int?
      var high: Int?
      var step: Int?
      var choices: [String]?

      init(low: Int, high: Int, step: Int) {
        log = false
        self.low = low
        self.high = high
        self.step = step
      }

      init(choices: [String]) {
        self.choices = choices
      }
    }
  }
}

/// Objective values as Optuna stores them: infinities by name, because not every database holds them as numbers.
enum OptunaValue {
  /// The two columns of a value; the value must not be NaN.
  static func columns(_ value: Double) -> (value: Double?, type: String) {
    if value.isFinite { return (value, "FINITE") }
    return (nil, value > 0 ? "INF_POS" : "INF_NEG")
  }

  static func value(_ value: Double?, type: String) -> Double? {
    switch type {
    case "FINITE": value
    case "INF_POS": .infinity
    case "INF_NEG": -.infinity
    default: nil
    }
  }
}

/// Times as Optuna stores them: local time without a zone, to the microsecond, `2026-05-31 13:45:01.000250`.
enum OptunaDate {
  static func text(_ date: Date) -> String {
    let microseconds = Int64((date.timeIntervalSince1970 * 1e6).rounded())
    let (seconds, fraction) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
    var clock = time_t(fraction < 0 ? seconds - 1 : seconds)
    var parts = tm()
    localtime_r(&clock, &parts)
    return String(
      format: "%04d-%02d-%02d %02d:%02d:%02d.%06d", Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1,
      Int(parts.tm_mday), Int(parts.tm_hour), Int(parts.tm_min), Int(parts.tm_sec),
      Int(fraction < 0 ? fraction + 1_000_000 : fraction))
  }

  /// `nil` if the text is not a time in this form. The fraction may be missing.
  static func date(_ text: String) -> Date? {
    let fields = text.split(whereSeparator: { "- :.".contains($0) })
    let numbers = fields.prefix(6).compactMap { Int32($0) }
    guard numbers.count == 6, fields.count <= 7 else { return nil }
    var parts = tm()
    parts.tm_year = numbers[0] - 1900
    parts.tm_mon = numbers[1] - 1
    parts.tm_mday = numbers[2]
    parts.tm_hour = numbers[3]
    parts.tm_min = numbers[4]
    parts.tm_sec = numbers[5]
    parts.tm_isdst = -1
    let seconds = Double(mktime(&parts))
    guard fields.count == 7 else { return Date(timeIntervalSince1970: seconds) }
    guard let fraction = Double("0." + fields[6]) else { return nil }
    return Date(timeIntervalSince1970: seconds + fraction)
  }
}
