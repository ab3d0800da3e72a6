import Foundation
import Testing

@testable import Studies

@Suite struct AddressTests {
  @Test func aFolder() throws {
    let address = try StudyAddress("results/a#b")
    #expect(address.folder?.lastPathComponent == "a#b")
    #expect(address.name == nil)
    #expect(address.newName == "a#b")
    #expect(address.description == "results/a#b")
    #expect(try !address.exists())
  }

  @Test func aServer() throws {
    let address = try StudyAddress("postgresql://me:secret@host:99/studies?sslmode=disable#my study")
    #expect(address.folder == nil)
    #expect(address.name == "my study")
    #expect(address.newName == "my study")
    #expect(address.description == "postgresql://me@host:99/studies#my study")
    for nameless in ["postgres://host/studies", "postgres://host/studies#"] {
      #expect(try StudyAddress(nameless).newName == nil)
    }
    #expect(throws: StudyError.self) { try StudyAddress("postgresql://a@b@c/x#y") }
  }

  /// A path within the options does not make them a part of the address.
  @Test func optionsAreNotShown() throws {
    let address = try StudyAddress("postgresql://host?sslrootcert=/etc/ca.pem&password=secret#x")
    #expect(address.description == "postgresql://host#x")
    #expect(try StudyAddress("postgresql://me:se?cret@host/studies").description == "postgresql://me@host/studies")
    #expect(throws: StudyError.invalidURL(url: "postgresql://…")) {
      try StudyAddress("postgresql://host?password=secret@x")
    }
  }

  @Test(.enabled(if: PostgresServer.isThere, Comment(rawValue: PostgresServer.problem ?? "")))
  func theOnlyStudyNeedsNoName() throws {
    let url = try PostgresServer.database()
    try Toy.create(at: .server(url), name: "first").close()
    #expect(try StudyAddress(url.text).open(access: .inspect).name == "first")
    #expect(try StudyAddress(url.text + "#first").exists())
    #expect(try !StudyAddress(url.text + "#second").exists())
    try Toy.create(at: .server(url), name: "second").close()
    #expect(throws: StudyError.noSuchStudy(path: url.description, name: nil, present: ["first", "second"])) {
      try StudyAddress(url.text).open(access: .inspect)
    }
  }
}
