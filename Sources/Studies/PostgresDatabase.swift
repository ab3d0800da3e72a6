import Foundation
import Search
import Synchronization

/// A PostgreSQL database that holds studies. Its one connection is made again if it is lost.
///
/// A transaction takes effect once or not at all, even if the connection is lost. If it was lost before the commit, the
/// transaction is run again. If it was lost during the commit, the server is asked for the result. Transactions that
/// collided with others (serialisation failures, deadlocks) are run again.
final class PostgresDatabase: StudyDatabase {
  /// The time for which a lost server is waited for.
  struct Patience: Sendable {
    /// About a minute in all.
    var attempts = 12
    var firstDelay = 0.1
    var longestDelay = 10.0

    /// Seconds before an attempt, a little different for each process, so that they do not all return at once.
    func delay(_ attempt: Int) -> Double {
      min(longestDelay, firstDelay * pow(2, Double(attempt))) * Double.random(in: 0.75...1.25)
    }
  }

  private struct State {
    var connection: PostgresConnection?
    /// The advisory lock that the session must hold.
    var lock: Int64?
    var isClosed = false
  }

  let url: PostgresURL
  private let patience: Patience
  private let state = Mutex(State())

  /// Connects. Nothing is tried twice here, because a wrong name or password stays wrong.
  ///
  /// - Throws: `StudyError.database` with the server's words.
  init(_ url: PostgresURL, patience: Patience = Patience()) throws(StudyError) {
    self.url = url
    self.patience = patience
    do {
      try state.withLock { $0.connection = try PostgresConnection(url) }
    } catch {
      throw StudyError(error, path: url.description)
    }
  }

  /// Takes the lock of a study's name for as long as the database is open. The server drops it with the connection.
  ///
  /// - Throws: `StudyError.inUse` if another process has it.
  func holdLock(named name: String) throws(StudyError) {
    let key = Self.lockKey(name)
    try transaction("BEGIN", isWriting: false) { connection in
      if try Self.hasLock(key, connection) { return }
      throw StudyError.inUse(path: StudyLocation.server(url).studyName(name), process: nil)
    }
    state.withLock { $0.lock = key }
  }

  static func lockKey(_ name: String) -> Int64 {
    Int64(bitPattern: "nas-search \(name)".utf8.map { Int($0) }.stableHash)
  }

  /// Takes the lock, with a second's patience: the server notices a little later that an earlier holder's connection
  /// has ended.
  private static func hasLock(_ key: Int64, _ connection: PostgresConnection) throws(PostgresFailure) -> Bool {
    for attempt in 0..<20 {
      if attempt > 0 { Thread.sleep(forTimeInterval: 0.05) }
      let found = try connection.run("SELECT pg_try_advisory_lock(?) AS taken", [key])
      if found.first?.integer("taken") == 1 { return true }
    }
    return false
  }

  func read<Value: Sendable>(_ body: (any DatabaseSession) throws -> Value) throws(StudyError) -> Value {
    try transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", isWriting: false, body)
  }

  @discardableResult
  func write<Value: Sendable>(_ body: (any DatabaseSession) throws -> Value) throws(StudyError) -> Value {
    try transaction("BEGIN ISOLATION LEVEL READ COMMITTED", isWriting: true, body)
  }

  func close() throws(StudyError) {
    state.withLock {
      $0.connection = nil
      $0.isClosed = true
    }
  }

  // MARK: - Transactions

  /// A transaction whose commit was sent but not answered: it may have been committed or not.
  private struct Uncertain<Value: Sendable>: Error {
    let transaction: Int64
    let value: Value
    let failure: PostgresFailure
  }

  @discardableResult
  private func transaction<Value: Sendable>(
    _ begin: String, isWriting: Bool, _ body: (PostgresConnection) throws -> Value
  ) throws(StudyError) -> Value {
    var uncertain: Uncertain<Value>?
    var attempt = 0
    while true {
      let failure: PostgresFailure
      do {
        if let known = uncertain, try isCommitted(known) { return known.value }
        uncertain = nil
        return try once(begin, isWriting: isWriting, body)
      } catch let unknown as Uncertain<Value> {
        uncertain = unknown
        failure = unknown.failure
      } catch let error as PostgresFailure where error.isLost || error.isConflict {
        failure = error
      } catch {
        throw StudyError(error, path: url.description)
      }
      if attempt == patience.attempts {
        throw .database(
          path: url.description, reason: "given up after \(attempt + 1) attempts: \(failure.description)")
      }
      Thread.sleep(forTimeInterval: failure.isLost ? patience.delay(attempt) : .random(in: 0.01...0.1))
      attempt += 1
    }
  }

  private func once<Value: Sendable>(
    _ begin: String, isWriting: Bool, _ body: (PostgresConnection) throws -> Value
  ) throws -> Value {
    try withConnection { connection in
      _ = try connection.run(begin, [])
      let value: Value
      var number: Int64?
      do {
        value = try body(connection)
        if isWriting {
          let row = try connection.run("SELECT txid_current_if_assigned() AS number", []).first
          number = row?.integer("number")
        }
      } catch {
        // If this fails, the connection is lost, and the transaction with it.
        _ = try? connection.run("ROLLBACK", [])
        throw error
      }
      do {
        _ = try connection.run("COMMIT", [])
      } catch let failure as PostgresFailure where failure.isLost {
        // A transaction without a number changed nothing.
        guard let number else { throw failure }
        throw Uncertain(transaction: number, value: value, failure: failure)
      }
      return value
    }
  }

  private func isCommitted(_ uncertain: Uncertain<some Sendable>) throws -> Bool {
    let rows: [SQLRow]
    do {
      rows = try withConnection { connection in
        try connection.run("SELECT txid_status(?) AS status", [uncertain.transaction])
      }
    } catch let failure as PostgresFailure where failure.sqlState == "22023" {
      // "Transaction ID … is in the future": the server crashed before any part of it was on disk.
      return false
    }
    switch rows.first?.text("status") {
    case "committed": return true
    case "aborted": return false
    case "in progress": throw uncertain.failure
    default:
      throw StudyError.database(
        path: url.description, reason: "the connection was lost during a commit: \(uncertain.failure.description)")
    }
  }

  /// Runs something with the connection. A lost connection, and its lock, are made again first.
  private func withConnection<Value: Sendable>(_ body: (PostgresConnection) throws -> Value) throws -> Value {
    try state.withLock { state in
      if state.isClosed { throw StudyError.database(path: url.description, reason: "it was closed") }
      let connection: PostgresConnection
      if let known = state.connection {
        connection = known
      } else {
        connection = try PostgresConnection(url)
        // The server may not have noticed yet that the former session has ended, so a taken lock is waited for, too.
        if let lock = state.lock, try !Self.hasLock(lock, connection) {
          throw PostgresFailure(sqlState: nil, message: "another process has taken over the study", isLost: true)
        }
        state.connection = connection
      }
      defer {
        if connection.isLost { state.connection = nil }
      }
      return try body(connection)
    }
  }
}
