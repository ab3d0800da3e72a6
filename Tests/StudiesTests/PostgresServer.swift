import Foundation
import Testing

@testable import Studies

/// A PostgreSQL server of the tests' own: in a temporary folder, on a Unix socket, gone with the process.
final class PostgresServer: Sendable {
  /// Why there is no server, `nil` if there is one.
  static let problem: String? = ProcessInfo.processInfo.environment["PATH"].map { path in
    let folders = path.split(separator: ":")
    let missing = ["initdb", "postgres"].filter { name in
      !folders.contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(name)") }
    }
    return missing.isEmpty ? nil : "PostgreSQL's \(missing.joined(separator: " and ")) not found"
  } ?? "PATH is not set"

  static let isThere = problem == nil
  static let shared = Result { try PostgresServer() }

  let folder: URL
  private let process: Process

  private init() throws {
    // The path of a socket has 107 characters at most.
    folder = URL(fileURLWithPath: "/tmp/nas-pg-\(getpid())")
    try? FileManager.default.removeItem(at: folder)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let data = folder.appendingPathComponent("data").path
    if geteuid() == 0, let user = getpwnam(Self.user) { chown(folder.path, user.pointee.pw_uid, user.pointee.pw_gid) }
    let made = try Self.start(
      ["initdb", "--pgdata", data, "--username", "tests", "--auth", "trust", "--no-sync", "--encoding", "UTF8"])
    made.waitUntilExit()
    process = try Self.start([
      "postgres", "-D", data, "-k", folder.path, "-c", "listen_addresses=", "-c", "fsync=off", "-c",
      "max_connections=60", "-c", "shared_buffers=16MB", "-c", "timezone=Asia/Kathmandu", "-c", "synchronous_standby_names=nobody", "-c", "synchronous_commit=local",
    ])
    atexit {
      if case .success(let server) = PostgresServer.shared { server.stop() }
    }
    var waited = 0
    while (try? PostgresConnection(PostgresURL(address("postgres")))) == nil {
      waited += 1
      if waited == 200 || !process.isRunning { throw StudyError.file(path: folder.path, reason: "no server") }
      usleep(50_000)
    }
  }

  /// PostgreSQL refuses to run as root.
  private static var user: String { getpwnam("postgres") == nil ? "nobody" : "postgres" }

  private static func start(_ command: [String]) throws -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = (geteuid() == 0 ? ["setpriv", "--reuid", user, "--regid", group, "--clear-groups"] : []) + command
    process.currentDirectoryURL = URL(fileURLWithPath: "/tmp")
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    return process
  }

  private static var group: String { getpwnam(user).map { "\($0.pointee.pw_gid)" } ?? "0" }

  private func stop() {
    kill(process.processIdentifier, SIGQUIT)
    process.waitUntilExit()
    try? FileManager.default.removeItem(at: folder)
  }

  func address(_ database: String) -> String { "postgresql://tests@/\(database)?host=\(folder.path)" }

  func connection(_ database: String = "postgres") throws -> PostgresConnection {
    try PostgresConnection(PostgresURL(address(database)))
  }

  /// A database of its own for a test.
  static func database() throws -> PostgresURL {
    let server = try shared.get()
    let name = "test_" + UUID().uuidString.prefix(8).lowercased()
    _ = try server.connection().run("CREATE DATABASE \(name)", [])
    return try PostgresURL(server.address(name))
  }
}
