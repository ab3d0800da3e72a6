import CSQLite
import Checkpoints
import Foundation
import Synchronization

/// A study's database in a file.
///
/// Several processes of one host may use it together. A transaction that may write locks the database from its
/// beginning (`BEGIN IMMEDIATE`), others wait up to 20 s, and readers go on meanwhile (write-ahead log).
final class SQLiteDatabase: StudyDatabase {
  private let path: String
  private let isReadOnly: Bool
  /// `nil` once the database is closed.
  private let connection: Mutex<SQLiteConnection?>

  /// Opens a database that exists, or makes an empty one if writing is allowed.
  ///
  /// - Throws: `StudyError.notADatabase`, `.corrupt`, `.database`.
  init(path: String, isReadOnly: Bool) throws(StudyError) {
    self.path = path
    self.isReadOnly = isReadOnly
    do {
      try Self.checkKind(path)
      connection = Mutex(try Self.open(path, isReadOnly: isReadOnly))
    } catch {
      throw StudyError(error, path: path)
    }
  }

  /// SQLite would only say that it is not a database, and would wait for the writer of a pipe.
  private static func checkKind(_ path: String) throws {
    guard FileManager.default.fileExists(atPath: path) else { return }
    do {
      let file = try MappedFile(URL(fileURLWithPath: path))
      guard let kind = withExtendedLifetime(file, { FileKind(file.bytes) }), kind != .sqlite else { return }
      throw StudyError.notADatabase(path: path, found: kind.name + (kind.advice.map { "; \($0)" } ?? ""))
    } catch CheckpointError.unreadable(_, let reason) {
      throw StudyError.database(path: path, reason: reason)
    }
  }

  private static func open(_ path: String, isReadOnly: Bool) throws -> sending SQLiteConnection {
    func looked() throws -> sending SQLiteConnection {
      let connection = try SQLiteConnection(path: path, isReadOnly: isReadOnly)
      try connection.run("PRAGMA foreign_keys = ON")
      try connection.run("SELECT COUNT(*) FROM sqlite_master")
      return connection
    }
    do {
      return try looked()
    } catch let failure as SQLiteFailure where failure.code == SQLITE_READONLY {
      // A process was killed within a transaction. Only a connection that may write can undo it.
      try SQLiteConnection(path: path).run("SELECT COUNT(*) FROM sqlite_master")
      return try looked()
    }
  }

  /// Prepares for a writer, so that readers need not wait for it.
  func useWriteAheadLog() throws(StudyError) {
    try withConnection { connection in
      try connection.run("PRAGMA journal_mode = WAL")
      // Every commit reaches the disk before the call returns, so that a power cut loses no more than a kill.
      try connection.run("PRAGMA synchronous = FULL")
    }
  }

  func read<Value: Sendable>(_ body: (any DatabaseSession) throws -> Value) throws(StudyError) -> Value {
    try transaction("BEGIN DEFERRED", body)
  }

  @discardableResult
  func write<Value: Sendable>(_ body: (any DatabaseSession) throws -> Value) throws(StudyError) -> Value {
    try transaction("BEGIN IMMEDIATE", body)
  }

  private func transaction<Value: Sendable>(
    _ begin: String, _ body: (any DatabaseSession) throws -> Value
  ) throws(StudyError) -> Value {
    try withConnection { connection in
      try connection.run(begin)
      do {
        let value = try body(connection)
        try connection.run("COMMIT")
        return value
      } catch {
        // If this fails, SQLite has undone the transaction already.
        _ = try? connection.run("ROLLBACK")
        throw error
      }
    }
  }

  private func withConnection<Value: Sendable>(
    _ body: (SQLiteConnection) throws -> Value
  ) throws(StudyError) -> Value {
    do {
      return try connection.withLock { connection in
        guard let connection else { throw StudyError.database(path: path, reason: "it was closed") }
        return try body(connection)
      }
    } catch {
      throw StudyError(error, path: path)
    }
  }

  func close() throws(StudyError) {
    leaveOneFile()
    connection.withLock { $0 = nil }
  }

  deinit { leaveOneFile() }

  /// Undoes the write-ahead log. If another process has the database open, this has no effect, and that process does it
  /// later.
  private func leaveOneFile() {
    if !isReadOnly { _ = try? withConnection { try $0.run("PRAGMA journal_mode = DELETE") } }
  }
}
