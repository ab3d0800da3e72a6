import Foundation
import Testing

@testable import Studies

/// A PostgreSQL server of the tests' own: in a temporary folder, on a Unix socket, gone with the object or the process.
final class PostgresServer: Sendable {
  /// Why there is no server, `nil` if there is one.
  static let problem: String? = {
    let folders = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":") ?? []
    let missing = ["initdb", "postgres"].filter { name in
      !folders.contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(name)") }
    }
    if !missing.isEmpty { return "\(missing.joined(separator: " and ")) of PostgreSQL not found" }
    if case .failure(let error) = shared { return "PostgreSQL does not start here: \(error)" }
    return nil
  }()

  static let isThere = problem == nil
  /// The one that tests share.
  static let shared: Result<PostgresServer, any Error> = Result {
    let server = try PostgresServer(name: "shared")
    atexit {
      if case .success(let server) = PostgresServer.shared { server.stop() }
    }
    return server
  }

  let folder: URL
  private let process: Process

  init(name: String) throws {
    // The path of a socket has 107 characters at most.
    folder = URL(fileURLWithPath: "/tmp/nas-pg-\(getpid())-\(name)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let data = folder.appendingPathComponent("data").path
    if geteuid() == 0, let user = getpwnam(Self.user) { chown(folder.path, user.pointee.pw_uid, user.pointee.pw_gid) }
    let made = try Self.start([
      "initdb", "--pgdata", data, "--username", "tests", "--auth", "trust", "--no-sync", "--encoding", "UTF8",
    ])
    made.waitUntilExit()
    let settings = [
      "listen_addresses=", "fsync=off", "max_connections=60", "shared_buffers=16MB", "timezone=Asia/Kathmandu",
      // A transaction that asks for more than local commits waits for ever.
      "synchronous_standby_names=nobody", "synchronous_commit=local",
    ]
    process = try Self.start(["postgres", "-D", data, "-k", folder.path] + settings.flatMap { ["-c", $0] })
    var waited = 0
    while (try? connection()) == nil {
      waited += 1
      if waited == 600 || !process.isRunning { throw StudyError.file(path: folder.path, reason: "no server") }
      usleep(50_000)
    }
  }

  deinit { stop() }

  /// PostgreSQL refuses to run as root.
  private static var user: String { getpwnam("postgres") == nil ? "nobody" : "postgres" }

  private static func start(_ command: [String]) throws -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    let asUser = ["setpriv", "--reuid", user, "--regid", group, "--clear-groups"]
    process.arguments = (geteuid() == 0 ? asUser : []) + command
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

  /// Kills the process of a session as if it had crashed; the server then ends all sessions and recovers.
  func crash() throws {
    // It may still be recovering from the last time.
    for _ in 0..<600 {
      if let pid = try? connection().run("SELECT pg_backend_pid() AS pid", []).first?.integer("pid") {
        kill(pid_t(pid), SIGKILL)
        return
      }
      usleep(50_000)
    }
    throw StudyError.file(path: folder.path, reason: "the server does not come back")
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
