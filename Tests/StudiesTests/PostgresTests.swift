import Foundation
import Synchronization
import Testing

@testable import Studies

@Suite struct PostgresURLTests {
  @Test func passwordsAreNotShown() throws {
    for (text, shown) in [
      ("postgresql://me:secret@host:5433/db?sslmode=require", "postgresql://me@host:5433/db"),
      ("postgres://me@host/db", "postgres://me@host/db"), ("postgresql:///db?host=/tmp", "postgresql:///db"),
      ("postgresql://host/db?user=me&password=secret", "postgresql://host/db"),
      ("postgresql://me:se?ret@host", "postgresql://me@host"),
      ("postgresql://a,b:5433/db", "postgresql://a,b:5433/db"),
    ] {
      #expect(try PostgresURL(text).description == shown)
      #expect(try StudyAddress(text).location.description == shown)
    }
    for text in [
      "postgresql://me:se@cret@host/db", "postgresql://me:se/cret@host/db", "postgresql://me:secret@host/db?nothing=1",
      "postgresql://me:secret@[::1/db", "postgresql://me:secret%zz@host/db",
    ] {
      let error = #expect(throws: StudyError.self) { try StudyAddress(text).location }
      #expect(error == .invalidURL(url: "postgresql://…"))
    }
    #expect(try StudyAddress("results/a").location == .folder(URL(fileURLWithPath: "results/a")))
  }

  @Test func placeholdersAreNumbered() {
    #expect(PostgresConnection.numbered("a = ? AND \"b?\" IN (?, '?', ?)") == "a = $1 AND \"b?\" IN ($2, '?', $3)")
  }
}

@Suite(.enabled(if: PostgresServer.isThere, Comment(rawValue: PostgresServer.problem ?? "")))
struct PostgresTests {
  @Test func valuesComeBackAsTheyWent() throws {
    let connection = try PostgresConnection(try PostgresServer.database())
    let values: [(type: String, value: any SQLArgument)] = [
      ("bigint", Int64.min), ("integer", 7), ("double precision", 0.1 + 0.2),
      ("double precision", Double.leastNonzeroMagnitude), ("double precision", -Double.infinity),
      ("text", "a 'b' \"c\" ? $1 \\ ä 🦔\n"), ("text", ""), ("text", String?.none),
    ]
    for (type, value) in values {
      #expect(try connection.run("SELECT CAST(? AS \(type)) AS v", [value])[0]["v"] == value.sqlValue)
    }
    let broken = #expect(throws: PostgresFailure.self) { try connection.run("SELECT ?", ["a\0b"]) }
    #expect(broken?.isLost == false)
    let wrong = #expect(throws: PostgresFailure.self) { try connection.run("SELECT * FROM nowhere", []) }
    #expect(wrong?.description == "relation \"nowhere\" does not exist (SQLSTATE 42P01)")
    #expect(wrong?.isLost == false)
  }

  @Test func whoCannotBeReachedIsNamed() throws {
    let url = try PostgresURL("postgresql://me:secret@/db?host=/nowhere")
    let error = #expect(throws: StudyError.self) { try PostgresDatabase(url) }
    guard case .database("postgresql://me@/db", let reason) = error else {
      Issue.record("unexpected: \(String(describing: error))")
      return
    }
    #expect(reason.contains("/nowhere"))
    #expect(!reason.contains("secret"))
  }

  /// Ends all other connections to the database of a URL, as an administrator or a crash would.
  private func disconnect(_ url: PostgresURL) throws {
    let connection = try PostgresServer.shared.get().connection()
    let name = url.description.split(separator: "/").last.map(String.init) ?? ""
    _ = try connection.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ?", [name])
  }

  @Test func aLostConnectionIsMadeAgain() throws {
    let url = try PostgresServer.database()
    let study = try Toy.create(at: .server(url))
    for number in 0..<4 {
      try disconnect(url)
      try study.beginTrial(number: number, genome: study.space.lowest, origin: "x")
      try disconnect(url)
      #expect(try study.trials().count == number + 1)
    }
    // The lock came back with the connection.
    #expect(throws: StudyError.inUse(path: "\(url.description) (toy)", process: nil)) {
      try Study.open(.server(url), name: "toy")
    }
  }

  /// A crash of another process of the server ends all sessions without a word.
  @Test func aServerThatCrashesIsWaitedFor() throws {
    let server = try PostgresServer(name: "crash")
    let url = try PostgresURL(server.address("postgres"))
    let study = try Toy.create(at: .server(url))
    let worker = try Study.open(.server(url), access: .work)
    for number in 0..<3 {
      try server.crash()
      try study.beginTrial(number: number, genome: study.space.lowest, origin: "x")
      #expect(try worker.trials().count == number + 1)
    }
  }

  @Test func aTransactionThatIsCutOffIsRunAgain() throws {
    let url = try PostgresServer.database()
    let database = try PostgresDatabase(url)
    try database.write { try $0.run("CREATE TABLE counts (n INTEGER)") }
    var runs = 0
    let value = try database.write { session in
      runs += 1
      try session.run("INSERT INTO counts VALUES (?)", [runs])
      if runs < 3 { try disconnect(url) }
      return try session.run("SELECT SUM(n) AS sum FROM counts").first?.integer("sum")
    }
    #expect(value == 3)
    // An error of the body undoes everything.
    #expect(throws: StudyError.notANumber(number: 1)) {
      try database.write { session in
        try session.run("DELETE FROM counts")
        throw StudyError.notANumber(number: 1)
      }
    }
    #expect(try database.read { try $0.run("SELECT n FROM counts").map { $0.integer("n") } } == [3])
  }

  @Test func aCommitThatIsCutOffIsRunAgain() throws {
    let url = try PostgresServer.database()
    let database = try PostgresDatabase(url)
    try database.write { session in
      try session.run("CREATE TABLE counts (n INTEGER)")
      // Runs at the very end of a transaction: ends the session before the commit is done.
      try session.run(
        """
        CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF (SELECT COUNT(*) FROM counts) < 3 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
          RETURN NULL; END $$
        """)
      try session.run(
        """
        CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON counts DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION cut()
        """)
    }
    var runs = 0
    try database.write { session in
      runs += 1
      for _ in 0..<runs { try session.run("INSERT INTO counts VALUES (1)") }
    }
    // Two attempts were cut off while they were committed, and the server said that they were not.
    #expect(runs == 3)
    #expect(try database.read { try $0.run("SELECT n FROM counts").count } == 3)
  }

  /// The server waits for a standby that does not exist, after it has committed and before it says so.
  @Test func aCommitWhoseAnswerIsLostCountsOnce() async throws {
    let url = try PostgresServer.database()
    try PostgresDatabase(url).write { try $0.run("CREATE TABLE counts (n INTEGER)") }
    let waiting = try PostgresURL(url.text + "&options=-csynchronous_commit%3Don")
    let runs = Mutex(0)
    async let value = Task.detached {
      try PostgresDatabase(waiting).write { session in
        runs.withLock { $0 += 1 }
        try session.run("INSERT INTO counts VALUES (1)")
        return "stored"
      }
    }.value
    let name = url.description.split(separator: "/").last.map(String.init) ?? ""
    let other = try PostgresServer.shared.get().connection()
    var isCut = false
    while !isCut {
      try await Task.sleep(for: .milliseconds(20))
      isCut =
        try !other.run(
          """
          SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ? AND wait_event = 'SyncRep'
          """, [name]
        ).isEmpty
    }
    #expect(try await value == "stored")
    #expect(runs.withLock { $0 } == 1)
    #expect(try PostgresDatabase(url).read { try $0.run("SELECT n FROM counts").count } == 1)
  }

  @Test func aServerThatStaysAwayIsGivenUp() throws {
    let url = try PostgresServer.database()
    let database = try PostgresDatabase(
      url, patience: .init(attempts: 2, firstDelay: 0.01, longestDelay: 0.01))
    let name = url.description.split(separator: "/").last.map(String.init) ?? ""
    let other = try PostgresServer.shared.get().connection()
    _ = try other.run("ALTER DATABASE \(name) ALLOW_CONNECTIONS false", [])
    try disconnect(url)
    let error = #expect(throws: StudyError.self) { try database.read { try $0.run("SELECT 1").count } }
    #expect(error?.description.contains("given up after 3 attempts") == true)
    _ = try other.run("ALTER DATABASE \(name) ALLOW_CONNECTIONS true", [])
    #expect(try database.read { try $0.run("SELECT 1").count } == 1)
  }

  @Test func deadlocksAreResolved() async throws {
    let url = try PostgresServer.database()
    let first = try PostgresDatabase(url)
    try first.write { session in
      try session.run("CREATE TABLE counts (id INTEGER, n INTEGER)")
      try session.run("INSERT INTO counts VALUES (1, 0), (2, 0)")
    }
    @Sendable func add(_ order: [Int]) throws {
      let database = try PostgresDatabase(url)
      for _ in 0..<5 {
        try database.write { session in
          for id in order {
            try session.run("UPDATE counts SET n = n + 1 WHERE id = ?", [id])
            usleep(20_000)
          }
        }
      }
    }
    try first.write { try $0.run("ALTER ROLE tests SET deadlock_timeout = '30ms'") }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try add([1, 2]) }
      group.addTask { try add([2, 1]) }
      try await group.waitForAll()
    }
    #expect(try first.read { try $0.run("SELECT n FROM counts").map { $0.integer("n") } } == [10, 10])
  }
}
