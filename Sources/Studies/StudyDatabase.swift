/// A database that holds studies. All SQL of a study is written once and speaks to this.
protocol StudyDatabase: Sendable {
  var dialect: SQLDialect { get }

  /// Reads: everything that `body` sees is of one moment.
  func read<Value: Sendable>(_ body: (any DatabaseSession) throws -> Value) throws(StudyError) -> Value

  /// Changes everything that `body` changes or, where it throws, nothing. When the call returns, it is on disk.
  ///
  /// `body` may be run several times (what an earlier run changed is then undone), so it must do nothing else.
  @discardableResult
  func write<Value: Sendable>(_ body: (any DatabaseSession) throws -> Value) throws(StudyError) -> Value

  /// Ends the use of the database. Nothing may be read or written afterwards.
  func close() throws(StudyError)
}

extension StudyDatabase {
  /// Does what `body` does and undoes it, which shows whether the database takes it.
  ///
  /// - Throws: `StudyError.database` with what the database refuses.
  func rehearse(_ body: (any DatabaseSession) throws -> Void) throws(StudyError) {
    var isDone = false
    do throws(StudyError) {
      try write { session in
        try body(session)
        isDone = true
        throw RehearsalEnd()
      }
    } catch {
      if !isDone { throw error }
    }
  }
}

/// Ends a transaction that is to be undone.
private struct RehearsalEnd: Error {}

/// Statements inside a transaction.
protocol DatabaseSession {
  var dialect: SQLDialect { get }

  /// Runs one statement, each `?` of it standing for an argument, and returns the rows it gives.
  @discardableResult
  func run(_ sql: String, _ arguments: [any SQLArgument]) throws -> [SQLRow]

  func hasTable(_ name: String) throws -> Bool
}

/// Where the databases differ in words.
struct SQLDialect: Sendable {
  enum Kind: Sendable {
    case sqlite
    case postgres
  }

  let kind: Kind

  /// Appended to a SELECT whose rows the transaction is going to change: others wait until it ends.
  ///
  /// In SQLite the whole database waits, from the beginning of a transaction that may write.
  var forUpdate: String { kind == .postgres ? " FOR UPDATE" : "" }

  /// Appended to a SELECT that takes for itself what nobody else is about to take.
  var forUpdateSkippingLocked: String { kind == .postgres ? " FOR UPDATE SKIP LOCKED" : "" }

  /// The time by the database's clock, as heartbeats hold it.
  ///
  /// Optuna writes `now()` there: UTC in SQLite, and in PostgreSQL local time of the session's time zone, which
  /// `PostgresConnection` keeps to the server's.
  var now: String {
    switch kind {
    case .sqlite: "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
    case .postgres: "CAST(clock_timestamp() AS timestamp)"
    }
  }

  /// How many seconds ago a heartbeat was, by the database's clock.
  func age(of column: String) -> String {
    switch kind {
    case .sqlite: "(julianday('now') - julianday(\(column))) * 86400"
    case .postgres: "EXTRACT(EPOCH FROM clock_timestamp() - CAST(\(column) AS timestamptz))"
    }
  }

  /// `(?, ?, ?)`
  static func placeholders(_ count: Int) -> String {
    "(" + repeatElement("?", count: count).joined(separator: ", ") + ")"
  }
}

extension DatabaseSession {
  @discardableResult
  func run(_ sql: String) throws -> [SQLRow] { try run(sql, []) }

  /// Inserts rows with few statements, so that a distant database is not asked once a row.
  ///
  /// - Parameter conflict: what to do where a row is there already, and what to return: the end of the statement.
  @discardableResult
  func insert(
    into table: String, _ columns: [String], _ rows: [[any SQLArgument]], _ conflict: String = ""
  ) throws -> [SQLRow] {
    // SQLite takes 32766 arguments a statement, PostgreSQL 65535.
    let size = max(1, 30_000 / max(1, columns.count))
    var returned: [SQLRow] = []
    for start in stride(from: 0, to: rows.count, by: size) {
      let part = rows[start..<min(rows.count, start + size)]
      let values = repeatElement(SQLDialect.placeholders(columns.count), count: part.count).joined(separator: ", ")
      returned += try run(
        "INSERT INTO \(table) (\(columns.joined(separator: ", "))) VALUES \(values) \(conflict)", part.flatMap { $0 })
    }
    return returned
  }
}
