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

  /// The types that must be made before the tables, and the database's names of all types. `identifier`: a number that
  /// the database assigns.
  private static func types(_ dialect: SQLDialect) -> (made: [String], names: [String: String]) {
    switch dialect {
    case .sqlite:
      (
        [],
        [
          "identifier": "INTEGER", "time": "DATETIME", "real": "FLOAT", "direction": "VARCHAR(8)",
          "state": "VARCHAR(8)", "valueType": "VARCHAR(7)", "intermediateValueType": "VARCHAR(7)",
        ]
      )
    case .postgres:
      (
        [
          "CREATE TYPE studydirection AS ENUM ('NOT_SET', 'MINIMIZE', 'MAXIMIZE')",
          "CREATE TYPE trialstate AS ENUM ('RUNNING', 'COMPLETE', 'PRUNED', 'FAIL', 'WAITING')",
          "CREATE TYPE trialvaluetype AS ENUM ('FINITE', 'INF_POS', 'INF_NEG')",
          "CREATE TYPE trialintermediatevaluetype AS ENUM ('FINITE', 'INF_POS', 'INF_NEG', 'NAN')",
        ],
        [
          "identifier": "SERIAL", "time": "TIMESTAMP", "real": "DOUBLE PRECISION", "direction": "studydirection",
          "state": "trialstate", "valueType": "trialvaluetype", "intermediateValueType": "trialintermediatevaluetype",
        ]
      )
    }
  }

  /// The statements of `optuna.sql`, in which names of types stand in braces.
  static func statements(_ dialect: SQLDialect) -> [String] {
    let types = types(dialect)
    let tables = types.names.reduce(String(decoding: PackageResources.optuna_sql, as: UTF8.self)) { text, type in
      text.replacing("{\(type.key)}", with: type.value)
    }
    return types.made + tables.split(separator: ";\n").map(String.init)
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
