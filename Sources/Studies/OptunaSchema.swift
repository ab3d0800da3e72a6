/// The tables of Optuna's relational storage, as its versions 3.2 to 5 create them in SQLite and in PostgreSQL.
///
/// A study is stored in these tables, so `optuna.load_study` and `optuna-dashboard` open it unchanged, also while a
/// search is writing to it. Source: the databases that Optuna 5.0.0 makes (migration `v3.2.0.a`, schema version 12),
/// read back with `SELECT sql FROM sqlite_master` and `pg_dump --schema-only`.
enum OptunaSchema {
  /// The migration that Optuna compares with its own.
  static let migration = "v3.2.0.a"
  static let version = 12
  /// The oldest library version that writes this schema; Optuna only shows it when the migration differs.
  static let libraryVersion = "4.0.0"

  /// The databases' names of the types.
  private struct Types {
    /// A number that the database assigns.
    let identifier: String
    let time: String
    let real: String
    let direction: String
    let state: String
    let valueType: String
    let intermediateValueType: String

    init(_ dialect: SQLDialect) {
      switch dialect {
      case .sqlite:
        identifier = "INTEGER"
        time = "DATETIME"
        real = "FLOAT"
        (direction, state, valueType, intermediateValueType) = ("VARCHAR(8)", "VARCHAR(8)", "VARCHAR(7)", "VARCHAR(7)")
      case .postgres:
        identifier = "SERIAL"
        time = "TIMESTAMP"
        real = "DOUBLE PRECISION"
        (direction, state) = ("studydirection", "trialstate")
        (valueType, intermediateValueType) = ("trialvaluetype", "trialintermediatevaluetype")
      }
    }
  }

  /// The types that must be made before the tables.
  private static func types(_ dialect: SQLDialect) -> [String] {
    if dialect == .sqlite { return [] }
    return [
      "CREATE TYPE studydirection AS ENUM ('NOT_SET', 'MINIMIZE', 'MAXIMIZE')",
      "CREATE TYPE trialstate AS ENUM ('RUNNING', 'COMPLETE', 'PRUNED', 'FAIL', 'WAITING')",
      "CREATE TYPE trialvaluetype AS ENUM ('FINITE', 'INF_POS', 'INF_NEG')",
      "CREATE TYPE trialintermediatevaluetype AS ENUM ('FINITE', 'INF_POS', 'INF_NEG', 'NAN')",
    ]
  }

  static func statements(_ dialect: SQLDialect) -> [String] {
    let types = Types(dialect)
    return Self.types(dialect) + [
      """
      CREATE TABLE studies (
        study_id \(types.identifier) NOT NULL, study_name VARCHAR(512) NOT NULL, PRIMARY KEY (study_id))
      """,
      "CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name)",
      """
      CREATE TABLE version_info (
        version_info_id INTEGER NOT NULL, schema_version INTEGER, library_version VARCHAR(256),
        PRIMARY KEY (version_info_id), CHECK (version_info_id=1))
      """,
      """
      CREATE TABLE study_directions (
        study_direction_id \(types.identifier) NOT NULL, direction \(types.direction) NOT NULL, study_id INTEGER NOT NULL,
        objective INTEGER NOT NULL, PRIMARY KEY (study_direction_id), UNIQUE (study_id, objective),
        FOREIGN KEY(study_id) REFERENCES studies (study_id))
      """,
      attributes(of: "study", "studies", kind: "user", types),
      attributes(of: "study", "studies", kind: "system", types),
      """
      CREATE TABLE trials (
        trial_id \(types.identifier) NOT NULL, number INTEGER, study_id INTEGER, state \(types.state) NOT NULL,
        datetime_start \(types.time), datetime_complete \(types.time), PRIMARY KEY (trial_id),
        FOREIGN KEY(study_id) REFERENCES studies (study_id))
      """,
      "CREATE INDEX ix_trials_study_id ON trials (study_id)",
      attributes(of: "trial", "trials", kind: "user", types),
      attributes(of: "trial", "trials", kind: "system", types),
      """
      CREATE TABLE trial_params (
        param_id \(types.identifier) NOT NULL, trial_id INTEGER, param_name VARCHAR(512), param_value \(types.real),
        distribution_json TEXT, PRIMARY KEY (param_id), UNIQUE (trial_id, param_name),
        FOREIGN KEY(trial_id) REFERENCES trials (trial_id))
      """,
      """
      CREATE TABLE trial_values (
        trial_value_id \(types.identifier) NOT NULL, trial_id INTEGER NOT NULL, objective INTEGER NOT NULL,
        value \(types.real), value_type \(types.valueType) NOT NULL, PRIMARY KEY (trial_value_id),
        UNIQUE (trial_id, objective), FOREIGN KEY(trial_id) REFERENCES trials (trial_id))
      """,
      """
      CREATE TABLE trial_intermediate_values (
        trial_intermediate_value_id \(types.identifier) NOT NULL, trial_id INTEGER NOT NULL, step INTEGER NOT NULL,
        intermediate_value \(types.real), intermediate_value_type \(types.intermediateValueType) NOT NULL,
        PRIMARY KEY (trial_intermediate_value_id), UNIQUE (trial_id, step),
        FOREIGN KEY(trial_id) REFERENCES trials (trial_id))
      """,
      """
      CREATE TABLE trial_heartbeats (
        trial_heartbeat_id \(types.identifier) NOT NULL, trial_id INTEGER NOT NULL, heartbeat \(types.time) NOT NULL,
        PRIMARY KEY (trial_heartbeat_id), UNIQUE (trial_id), FOREIGN KEY(trial_id) REFERENCES trials (trial_id))
      """,
      """
      CREATE TABLE alembic_version (
        version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))
      """,
    ]
  }

  /// The four attribute tables differ in their names only.
  private static func attributes(of owner: String, _ table: String, kind: String, _ types: Types) -> String {
    """
    CREATE TABLE \(owner)_\(kind)_attributes (
      \(owner)_\(kind)_attribute_id \(types.identifier) NOT NULL, \(owner)_id INTEGER, "key" VARCHAR(512),
      value_json TEXT, PRIMARY KEY (\(owner)_\(kind)_attribute_id), UNIQUE (\(owner)_id, "key"),
      FOREIGN KEY(\(owner)_id) REFERENCES \(table) (\(owner)_id))
    """
  }

  /// Creates the tables and marks them with their version.
  static func install(_ session: some DatabaseSession) throws {
    for statement in statements(session.dialect) { try session.run(statement) }
    try session.run(
      "INSERT INTO version_info (version_info_id, schema_version, library_version) VALUES (1, ?, ?)",
      [version, libraryVersion])
    try session.run("INSERT INTO alembic_version (version_num) VALUES (?)", [migration])
  }

  /// Creates the missing tables in a database that several programs may share.
  ///
  /// - Throws: `StudyError.unsupportedSchema` if there are tables of another version.
  static func installOnServer(_ session: some DatabaseSession, path: String) throws {
    // One process at a time, until the end of the transaction.
    try session.run("SELECT pg_advisory_xact_lock(?)", [PostgresDatabase.lockKey("")])
    if try migration(of: session) == nil { try install(session) }
    try check(session, path: path)
    // A user without the right to create tables may not even ask for one that exists.
    if try session.hasTable("nas_search_files") { return }
    try session.run(
      """
      CREATE TABLE nas_search_files (
        study_id INTEGER NOT NULL, name VARCHAR(512) NOT NULL, content BYTEA NOT NULL, sha256 CHAR(64) NOT NULL,
        PRIMARY KEY (study_id, name), FOREIGN KEY(study_id) REFERENCES studies (study_id) ON DELETE CASCADE)
      """)
  }

  /// Whether a database holds a study of this name.
  static func hasStudy(_ session: some DatabaseSession, named name: String) throws -> Bool {
    guard try session.hasTable("studies") else { return false }
    return try !session.run("SELECT study_id FROM studies WHERE study_name = ?", [name]).isEmpty
  }

  /// - Throws: `StudyError.unsupportedSchema` unless the tables are of this version.
  static func check(_ session: some DatabaseSession, path: String) throws {
    let found = try migration(of: session)
    if found != migration { throw StudyError.unsupportedSchema(path: path, found: found, expected: migration) }
  }

  /// The migration of a database; `nil` if it is not a storage of Optuna.
  static func migration(of session: some DatabaseSession) throws -> String? {
    guard try session.hasTable("alembic_version"), try session.hasTable("trials") else { return nil }
    return try session.run("SELECT version_num FROM alembic_version").first?.text("version_num")
  }
}
