import Checkpoints
import Foundation
import GRDB

/// A study's database in a file.
///
/// Several processes of one host may use it together. A transaction that may write locks the database from its
/// beginning (`BEGIN IMMEDIATE`), others wait up to 20 s, and readers go on meanwhile (write-ahead log).
final class SQLiteDatabase: StudyDatabase {
  let path: String
  private let queue: DatabaseQueue
  private let isReadOnly: Bool

  var dialect: SQLDialect { SQLDialect(kind: .sqlite) }

  /// Opens a database that exists, or makes an empty one if writing is allowed.
  ///
  /// - Throws: `StudyError.notADatabase`, `.corrupt`, `.database`.
  init(path: String, isReadOnly: Bool) throws(StudyError) {
    try Self.checkKind(path)
    var configuration = Configuration()
    configuration.busyMode = .timeout(20)
    configuration.readonly = isReadOnly
    self.path = path
    self.isReadOnly = isReadOnly
    do {
      queue = try Self.open(path, configuration)
    } catch {
      throw Self.studyError(error, path: path)
    }
  }

  /// SQLite would only say that it is not a database, and would wait for the writer of a pipe.
  private static func checkKind(_ path: String) throws(StudyError) {
    guard FileManager.default.fileExists(atPath: path) else { return }
    do {
      let file = try MappedFile(URL(fileURLWithPath: path))
      guard let kind = withExtendedLifetime(file, { FileKind(file.bytes) }), kind != .sqlite else { return }
      throw StudyError.notADatabase(path: path, found: kind.name + (kind.advice.map { "; \($0)" } ?? ""))
    } catch CheckpointError.unreadable(_, let reason) {
      throw .database(path: path, reason: reason)
    } catch let error as StudyError {
      throw error
    } catch {
      throw .database(path: path, reason: "\(error)")
    }
  }

  private static func open(_ path: String, _ configuration: Configuration) throws -> DatabaseQueue {
    let queue = try DatabaseQueue(path: path, configuration: configuration)
    let look = "SELECT COUNT(*) FROM sqlite_master"
    do {
      _ = try queue.read { try Int.fetchOne($0, sql: look) }
      return queue
    } catch let error as DatabaseError where error.resultCode == .SQLITE_READONLY {
      // A process was killed within a transaction. Only a connection that may write can undo it.
      _ = try DatabaseQueue(path: path).read { try Int.fetchOne($0, sql: look) }
      return try DatabaseQueue(path: path, configuration: configuration)
    }
  }

  /// Prepares for a writer, so that readers need not wait for it.
  func useWriteAheadLog() throws(StudyError) {
    do {
      try queue.writeWithoutTransaction { database in
        try database.execute(sql: "PRAGMA journal_mode = WAL")
        // Every commit reaches the disk before the call returns, so that a power cut loses no more than a kill.
        try database.execute(sql: "PRAGMA synchronous = FULL")
      }
    } catch {
      throw Self.studyError(error, path: path)
    }
  }

  func read<Value: Sendable>(_ body: (any DatabaseSession) throws -> Value) throws(StudyError) -> Value {
    do {
      return try queue.read { try body(SQLiteSession(database: $0)) }
    } catch {
      throw Self.studyError(error, path: path)
    }
  }

  @discardableResult
  func write<Value: Sendable>(_ body: (any DatabaseSession) throws -> Value) throws(StudyError) -> Value {
    do {
      return try queue.write { try body(SQLiteSession(database: $0)) }
    } catch {
      throw Self.studyError(error, path: path)
    }
  }

  func close() throws(StudyError) {
    do {
      leaveOneFile()
      try queue.close()
    } catch {
      throw Self.studyError(error, path: path)
    }
  }

  deinit { leaveOneFile() }

  /// Undoes the write-ahead log. If another process has the database open, this has no effect, and that process does it
  /// later.
  private func leaveOneFile() {
    if !isReadOnly {
      try? queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = DELETE") }
    }
  }

  /// Turns an error of the database into a study's error.
  private static func studyError(_ error: any Error, path: String) -> StudyError {
    switch error {
    case let error as StudyError: return error
    case let error as DatabaseError:
      let reason = error.message ?? "\(error.resultCode)"
      switch error.resultCode {
      case .SQLITE_NOTADB, .SQLITE_CORRUPT: return .corrupt(path: path, reason: reason)
      default: return .database(path: path, reason: reason)
      }
    default: return .database(path: path, reason: "\(error)")
    }
  }
}

private struct SQLiteSession: DatabaseSession {
  let database: Database

  var dialect: SQLDialect { SQLDialect(kind: .sqlite) }

  func run(_ sql: String, _ arguments: [any SQLArgument]) throws -> [SQLRow] {
    let statement = try database.makeStatement(sql: sql)
    statement.arguments = StatementArguments(arguments.map(Self.databaseValue))
    let columns = Dictionary(statement.columnNames.enumerated().map { ($1, $0) }) { first, _ in first }
    let cursor = try Row.fetchCursor(statement)
    var rows: [SQLRow] = []
    while let row = try cursor.next() {
      rows.append(SQLRow(columns: columns, values: row.databaseValues.map(Self.value)))
    }
    return rows
  }

  func hasTable(_ name: String) throws -> Bool { try database.tableExists(name) }

  private static func databaseValue(_ argument: any SQLArgument) -> DatabaseValue {
    switch argument.sqlValue {
    case .null: .null
    case .integer(let value): value.databaseValue
    case .real(let value): value.databaseValue
    case .text(let value): value.databaseValue
    case .bytes(let value): value.databaseValue
    }
  }

  private static func value(_ stored: DatabaseValue) -> SQLValue {
    switch stored.storage {
    case .null: .null
    case .int64(let value): .integer(value)
    case .double(let value): .real(value)
    case .string(let value): .text(value)
    case .blob(let value): .bytes(value)
    }
  }
}
