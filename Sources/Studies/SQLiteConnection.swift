import CSQLite

/// An error of SQLite. Source of the codes: <https://www.sqlite.org/rescode.html>.
package struct SQLiteFailure: Error, CustomStringConvertible {
  let code: Int32
  package let description: String
}

/// One connection to an SQLite database. Only one thread at a time may use it.
package final class SQLiteConnection: DatabaseSession {
  private let handle: OpaquePointer

  package var dialect: SQLDialect { .sqlite }

  /// Opens a database that exists, or makes an empty one if writing is allowed. Locks of others are waited for, up to
  /// 20 s each.
  ///
  /// - Throws: `SQLiteFailure`.
  package init(path: String, isReadOnly: Bool = false) throws {
    let access = isReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
    var opened: OpaquePointer?
    let code = sqlite3_open_v2(path, &opened, access | SQLITE_OPEN_NOMUTEX, nil)
    guard code == SQLITE_OK, let opened else {
      defer { sqlite3_close(opened) }
      throw SQLiteFailure(code: code, description: String(cString: sqlite3_errmsg(opened)))
    }
    handle = opened
    sqlite3_busy_timeout(handle, 20_000)
  }

  deinit { sqlite3_close(handle) }

  /// - Throws: `SQLiteFailure`.
  package func run(_ sql: String, _ arguments: [any SQLArgument]) throws -> [SQLRow] {
    var statement: OpaquePointer?
    try check(sqlite3_prepare_v2(handle, sql, -1, &statement, nil))
    defer { sqlite3_finalize(statement) }
    for (place, argument) in zip(Int32(1)..., arguments) {
      try check(Self.bind(argument.sqlValue, to: statement, place))
    }
    let columns = 0..<sqlite3_column_count(statement)
    let places = SQLRow.places(columns.map { String(cString: sqlite3_column_name(statement, $0)) })
    var rows: [SQLRow] = []
    while true {
      let code = sqlite3_step(statement)
      if code == SQLITE_DONE { return rows }
      try check(code, expected: SQLITE_ROW)
      rows.append(SQLRow(columns: places, values: columns.map { Self.value(of: statement, $0) }))
    }
  }

  package func hasTable(_ name: String) throws -> Bool {
    let tables = try run("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE", [name])
    return !tables.isEmpty
  }

  private func check(_ code: Int32, expected: Int32 = SQLITE_OK) throws {
    if code != expected { throw SQLiteFailure(code: code, description: String(cString: sqlite3_errmsg(handle))) }
  }

  /// - Parameter place: number of the argument, from 1.
  private static func bind(_ value: SQLValue, to statement: OpaquePointer?, _ place: Int32) -> Int32 {
    // SQLITE_TRANSIENT, a macro that Swift does not see: SQLite copies the content.
    let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    return switch value {
    case .null: sqlite3_bind_null(statement, place)
    case .integer(let number): sqlite3_bind_int64(statement, place, number)
    case .real(let number): sqlite3_bind_double(statement, place, number)
    case .text(let text): sqlite3_bind_text(statement, place, text, -1, copied)
    }
  }

  private static func value(of statement: OpaquePointer?, _ column: Int32) -> SQLValue {
    switch sqlite3_column_type(statement, column) {
    case SQLITE_INTEGER: .integer(sqlite3_column_int64(statement, column))
    case SQLITE_FLOAT: .real(sqlite3_column_double(statement, column))
    case SQLITE_TEXT: sqlite3_column_text(statement, column).map { .text(String(cString: $0)) } ?? .null
    default: .null
    }
  }
}
