import CPostgres
import Foundation

/// An error of a server, or of the connection to it.
struct PostgresFailure: Error, CustomStringConvertible {
  /// The five characters of the error class, if the server sent them. Source:
  /// <https://www.postgresql.org/docs/15/errcodes-appendix.html>.
  let sqlState: String?
  let message: String
  /// The connection is lost.
  let isLost: Bool

  /// The transaction collided with another one and may succeed if it is tried again (serialisation failure, deadlock).
  var isConflict: Bool { sqlState?.hasPrefix("40") ?? false }

  /// The server's words, with the SQLSTATE.
  var description: String { message + (sqlState.map { " (SQLSTATE \($0))" } ?? "") }
}

/// One connection to a PostgreSQL server. Only one thread at a time may use it.
///
/// Statements and their arguments are sent separately (`PQexecParams`), values as text. Source:
/// <https://www.postgresql.org/docs/15/libpq-exec.html>.
final class PostgresConnection: DatabaseSession {
  private let connection: OpaquePointer
  /// Whether the connection is lost.
  private(set) var isLost = false

  var dialect: SQLDialect { .postgres }

  /// Connects and prepares the session.
  init(_ url: PostgresURL) throws(PostgresFailure) {
    // The URL overrides the parameters before it. A vanished peer is noticed within two minutes.
    let settings = [
      ("fallback_application_name", "nas-search"), ("connect_timeout", "10"), ("keepalives_idle", "30"),
      ("keepalives_interval", "10"), ("keepalives_count", "3"), ("tcp_user_timeout", "60000"), ("dbname", url.text),
      ("client_encoding", "UTF8"),
    ]
    let opened = Self.withCStrings(settings.map(\.0)) { keywords in
      Self.withCStrings(settings.map(\.1)) { values in PQconnectdbParams(keywords, values, 1) }
    }
    guard let opened else { throw PostgresFailure(sqlState: nil, message: "out of memory", isLost: true) }
    connection = opened
    if PQstatus(opened) != CONNECTION_OK {
      throw PostgresFailure(sqlState: nil, message: Self.trimmed(PQerrorMessage(opened)), isLost: true)
    }
    // libpq would print the server's notices.
    PQsetNoticeReceiver(opened, { _, _ in }, nil)
    try prepare()
  }

  deinit { PQfinish(connection) }

  private func prepare() throws(PostgresFailure) {
    // The formats in which values are read, and a time limit for transactions whose process hangs or has vanished.
    let settings = [
      ("datestyle", "ISO"), ("extra_float_digits", "3"),
      ("idle_in_transaction_session_timeout", "60s"), ("tcp_keepalives_idle", "30"), ("tcp_keepalives_interval", "10"),
      ("tcp_keepalives_count", "3"),
    ]
    let list = settings.map { "set_config('\($0)', '\($1)', false)" }.joined(separator: ", ")
    let rows = try run("SELECT source, setting, \(list) FROM pg_settings WHERE name = 'TimeZone'", [])
    if rows.first?.text("source") == "client" {
      throw PostgresFailure(
        sqlState: nil,
        message:
          "this client sets the time zone \(rows.first?.text("setting") ?? "") (PGTZ), but leases are kept in that "
          + "of the server", isLost: false)
    }
  }

  /// Runs one statement. Each `?` stands for an argument.
  func run(_ sql: String, _ arguments: [any SQLArgument]) throws(PostgresFailure) -> [SQLRow] {
    let values = arguments.map { Self.text(of: $0.sqlValue) }
    if values.contains(where: { $0?.utf8.contains(0) ?? false }) {
      throw PostgresFailure(sqlState: nil, message: "a text with a NUL character cannot be stored", isLost: false)
    }
    let result = Self.withCStrings(values) { texts in
      PQexecParams(connection, Self.numbered(sql), Int32(values.count), nil, texts, nil, nil, 0)
    }
    defer { PQclear(result) }
    switch PQresultStatus(result) {
    case PGRES_TUPLES_OK, PGRES_COMMAND_OK: return Self.rows(of: result)
    default:
      let failure = failure(of: result)
      isLost = failure.isLost
      throw failure
    }
  }

  func hasTable(_ name: String) throws -> Bool {
    try run("SELECT to_regclass(?) IS NOT NULL AS found", [name]).first?.integer("found") == 1
  }

  private func failure(of result: OpaquePointer?) -> PostgresFailure {
    func field(_ code: Character) -> String? {
      PQresultErrorField(result, Int32(code.asciiValue ?? 0)).map { String(cString: $0) }
    }
    let sqlState = field("C")
    // An error without a SQLSTATE is from libpq, which cannot reach the server. The other states: shut down by the
    // administrator, crashed, starting.
    let isGone = sqlState.map { ["57P01", "57P02", "57P03"].contains($0) || $0.hasPrefix("08") } ?? true
    return PostgresFailure(
      sqlState: sqlState, message: field("M") ?? Self.trimmed(PQerrorMessage(connection)), isLost: isGone)
  }

  // MARK: - Arguments

  private static func text(of value: SQLValue) -> String? {
    switch value {
    case .null: nil
    case .integer(let value): "\(value)"
    case .real(let value): value.isFinite ? "\(value)" : value.isNaN ? "NaN" : value > 0 ? "Infinity" : "-Infinity"
    case .text(let value): value
    }
  }

  /// `?, ?` as PostgreSQL writes it: `$1, $2`. Quoted text stays as it is.
  static func numbered(_ sql: String) -> String {
    var result = ""
    var count = 0
    var quote: Character?
    for character in sql {
      if character == quote {
        quote = nil
      } else if quote == nil, character == "'" || character == "\"" {
        quote = character
      } else if quote == nil, character == "?" {
        count += 1
        result += "$\(count)"
        continue
      }
      result.append(character)
    }
    return result
  }

  // MARK: - Rows

  private static func rows(of result: OpaquePointer?) -> [SQLRow] {
    let columns = PQnfields(result)
    let places = SQLRow.places((0..<columns).map { PQfname(result, $0).map { String(cString: $0) } ?? "" })
    let types = (0..<columns).map { PQftype(result, $0) }
    return (0..<PQntuples(result)).map { row in
      SQLRow(columns: places, values: (0..<columns).map { value(of: result, row, $0, type: types[Int($0)]) })
    }
  }

  /// A value by its type. The numbers are those of `pg_type.dat`.
  private static func value(of result: OpaquePointer?, _ row: Int32, _ column: Int32, type: Oid) -> SQLValue {
    guard PQgetisnull(result, row, column) == 0, let bytes = PQgetvalue(result, row, column) else { return .null }
    let text = String(cString: bytes)
    switch type {
    case 20, 21, 23: return Int64(text).map { .integer($0) } ?? .text(text)
    case 16: return .integer(text == "t" ? 1 : 0)
    case 700, 701, 1700: return Double(text).map { .real($0) } ?? .text(text)
    default: return .text(text)
    }
  }

  // MARK: - C strings

  private static func trimmed(_ text: UnsafeMutablePointer<CChar>?) -> String {
    let lines = text.map { String(cString: $0) } ?? ""
    return lines.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
      .joined(separator: "; ")
  }

  /// Passes an array of C strings that ends with a null pointer.
  private static func withCStrings<Value>(
    _ texts: [String?], _ body: ([UnsafePointer<CChar>?]) -> Value
  ) -> Value {
    let copies = texts.map { $0.flatMap { strdup($0) } }
    defer { for copy in copies { free(copy) } }
    return body(copies.map { $0.map { UnsafePointer($0) } } + [nil])
  }
}
