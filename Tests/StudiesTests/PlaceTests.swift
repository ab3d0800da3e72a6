import Foundation
import Search
import Testing

@testable import Studies

/// A place refuses in advance what it would refuse when there is something to store.
@Suite(.enabled(if: PostgresServer.isThere, Comment(rawValue: PostgresServer.problem ?? "")))
struct PlaceTests {
  private let server: PostgresServer
  private let database: String

  init() throws {
    server = try PostgresServer.shared.get()
    database = "place_" + UUID().uuidString.prefix(8).lowercased()
  }

  private func make(_ options: String = "") throws {
    _ = try server.connection().run("CREATE DATABASE \(database) \(options)", [])
  }

  /// Statements of the owner.
  private func run(_ statements: String...) throws {
    let connection = try server.connection(database)
    for statement in statements { _ = try connection.run(statement, []) }
  }

  /// A role of this test alone.
  private func role(_ options: String = "") throws -> (name: String, location: StudyLocation) {
    let name = "role_" + UUID().uuidString.prefix(8).lowercased()
    try run("CREATE ROLE \(name) LOGIN \(options)")
    return (name, try StudyAddress("postgresql://\(name)@/\(database)?host=\(server.folder.path)").location)
  }

  private func refusal(
    _ location: StudyLocation, name: String = "s", attributes: [String: String] = [:]
  ) -> String? {
    do {
      try StudyPlace(at: location, name: name, attributes: attributes).abandon()
      return nil
    } catch {
      return "\(error)"
    }
  }

  private func tables() throws -> [String] {
    try server.connection(database).run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", [])
      .compactMap { $0.text("tablename") }
  }

  @Test func aGoodPlaceIsLeftAsItWas() throws {
    try make()
    let (name, location) = try role()
    try run("GRANT CREATE ON SCHEMA public TO \(name)")
    #expect(refusal(location, attributes: ["settings": "{\"a\":1}"]) == nil)
    #expect(try tables() == [])
    let study = try Toy.create(at: location)
    try study.close()
    #expect(try tables().contains("nas_search_files"))
    // Another one in the tables that are there: nothing of the try is stored.
    #expect(refusal(location, name: "other") == nil)
    let rows = try server.connection(database).run("SELECT study_name FROM studies", [])
    #expect(rows.count == 1)
    #expect(try server.connection(database).run("SELECT trial_id FROM trials", []).isEmpty)
  }

  @Test func noRightToMakeTables() throws {
    try make()
    let (_, location) = try role()
    try run("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    #expect(refusal(location)?.contains("permission denied for schema public") == true)
  }

  /// Tables that somebody else made are enough.
  @Test func rightsToTheTablesAlone() throws {
    try make()
    try Toy.create(at: StudyAddress(server.address(database)).location).close()
    let (name, location) = try role()
    try run("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    #expect(refusal(location)?.contains("permission denied for table") == true)
    try run(
      "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO \(name)",
      "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO \(name)")
    #expect(refusal(location) == nil)
    try run("REVOKE INSERT ON trials FROM \(name)")
    #expect(refusal(location)?.contains("permission denied for table trials") == true)
  }

  @Test func readOnlyTransactions() throws {
    try make()
    let (name, location) = try role()
    try run("GRANT CREATE ON SCHEMA public TO \(name)", "ALTER ROLE \(name) SET default_transaction_read_only = on")
    #expect(refusal(location)?.contains("read-only transaction") == true)
  }

  /// An existing study that may only be read, opened to search and to work.
  @Test(arguments: [Study.Access.resume, .work]) func aStudyThatMayOnlyBeRead(_ access: Study.Access) throws {
    try make()
    let owner = try StudyAddress(server.address(database)).location
    try Toy.create(at: owner).close()
    let name = try Study.open(owner, access: .inspect).name
    let (role, location) = try role()
    try run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO \(role)")
    let error = #expect(throws: StudyError.self) { try Study.open(location, name: name, access: access) }
    #expect("\(error.map(\.description) ?? "")".contains("permission denied for table trials"))
    #expect(try Study.open(location, name: name, access: .inspect).name == name)
  }

  /// Optuna's column takes 512 code points, whatever they look like together.
  @Test func longNames() throws {
    try make()
    let location = try StudyAddress(server.address(database)).location
    #expect(refusal(location, name: String(repeating: "n", count: 512)) == nil)
    for name in [String(repeating: "n", count: 513), String(repeating: "e\u{301}", count: 300)] {
      let text = refusal(location, name: name)
      #expect(
        text?.contains("has \(name.unicodeScalars.count) characters, and may have 1 to 512") == true, "\(text ?? "")")
    }
  }

  @Test func databasesOfAnotherEncoding() throws {
    try make("ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    let location = try StudyAddress(server.address(database)).location
    #expect(refusal(location, name: "Möwe") == nil)
    #expect(refusal(location, name: "🦔")?.contains("LATIN1") == true)
    #expect(refusal(location, attributes: ["settings": "\"🦔\""])?.contains("LATIN1") == true)
  }
}
