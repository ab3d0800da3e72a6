/// A database that holds studies. All SQL of a study is written once, against this protocol.
protocol StudyDatabase: Sendable {
  /// Reads. Everything that `body` sees is of one moment.
  func read<Value: Sendable>(_ body: (any DatabaseSession) throws -> Value) throws(StudyError) -> Value

  /// Makes all changes of `body` or, if it throws, none. When the call returns, they are on disk.
  ///
  /// `body` may be run several times (the changes of an earlier run are then undone), so it must have no other effects.
  @discardableResult
  func write<Value: Sendable>(_ body: (any DatabaseSession) throws -> Value) throws(StudyError) -> Value

  /// Ends the use of the database. Nothing may be read or written afterwards.
  func close() throws(StudyError)
}

extension StudyDatabase {
  /// Runs `body` and undoes its changes, which shows whether the database accepts them.
  ///
  /// - Throws: `StudyError.database` with the reason of a refusal.
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

/// Ends a transaction whose changes are undone.
private struct RehearsalEnd: Error {}

/// Statements inside a transaction.
package protocol DatabaseSession {
  var dialect: SQLDialect { get }

  /// Runs one statement and returns its rows. Each `?` stands for an argument.
  @discardableResult
  func run(_ sql: String, _ arguments: [any SQLArgument]) throws -> [SQLRow]

  func hasTable(_ name: String) throws -> Bool
}

/// The words in which the databases differ.
package enum SQLDialect: Sendable {
  case sqlite
  case postgres

  /// The end of a SELECT whose rows the transaction is going to change: others wait until it ends.
  ///
  /// In SQLite the whole database waits, from the beginning of a transaction that may write.
  var forUpdate: String { self == .postgres ? " FOR UPDATE" : "" }

  /// The end of a SELECT that takes only rows that no other transaction is taking.
  var forUpdateSkippingLocked: String { self == .postgres ? " FOR UPDATE SKIP LOCKED" : "" }

  /// The time by the database's clock, in the form of heartbeats.
  ///
  /// Optuna writes `now()` there: UTC in SQLite, and in PostgreSQL local time of the session's time zone, which
  /// `PostgresConnection` keeps to the server's.
  var now: String {
    switch self {
    case .sqlite: "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
    case .postgres: "CAST(clock_timestamp() AS timestamp)"
    }
  }

  /// Seconds since a heartbeat, by the database's clock.
  func age(of column: String) -> String {
    switch self {
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
  package func run(_ sql: String) throws -> [SQLRow] { try run(sql, []) }

  /// Inserts rows with few statements, so that a distant database is not asked once for each row.
  ///
  /// - Parameter conflict: end of the statement, with the action for rows that exist already and the columns to return.
  @discardableResult
  func insert(
    into table: String, _ columns: [String], _ rows: [[any SQLArgument]], _ conflict: String = ""
  ) throws -> [SQLRow] {
    // SQLite takes 32766 arguments in a statement, PostgreSQL 65535.
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
