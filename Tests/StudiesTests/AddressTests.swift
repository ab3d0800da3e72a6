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

  private static let secret = "rosebud7"

  /// An address of another program is no folder, and nothing of it that may be a password is repeated.
  @Test(arguments: [
    ("postgresql+psycopg2://me:PW@host/db#q", "postgresql://me@host/db#q"),
    ("postgresql+asyncpg://me@host:99/db?password=PW#q", "postgresql://me@host:99/db#q"),
    ("postgresql+psycopg2://me:a/PW@host/db", "postgresql://user@host/database#NAME"),
    ("mysql://me:PW@host/db", "mysql://…"), ("sqlite:///results/a/study.db", "holds study.db: results/a"),
    ("sqlite:////data/a/study.db", "holds study.db: /data/a"), ("sqlite:///x.db?password=PW", "holds study.db"),
    ("redis://:PW@host/0", "redis://…"), ("hf://team/study", "hf://…"), ("s3://bucket/study", "s3://…"),
    ("jdbc:postgresql://host/db?password=PW", "give a folder"), ("'postgresql://me:PW@host/db'", "give a folder"),
    ("url=postgresql://me:PW@host/db", "give a folder"), ("postgres:/me:PW@host/db", "give a folder"),
    ("postgresql:host", "give a folder"), ("postgresql//me:PW@host/db", "give a folder"),
    ("me:PW@host/db#q", "give a folder"), ("host=h user=me password=PW", "give a folder"),
    ("port=5432 host=h dbname=d", "give a folder"), ("PASSWORD = PW", "give a folder"),
    ("Server=h;User Id=me;Password=PW;", "give a folder"), ("h/db?%70assword=PW", "give a folder"),
    ("postgresql://me:a#PW@host/db#q", "%23"), ("postgresql://me:1234#PW@host/db#q", "%23"),
    ("postgresql://me:a/PW@host/db#q", "%2F"), ("postgresql://me:1/PW@host/db#q", "%2F"),
    ("postgresql://me:a@PW@host/db#q", "%40"), ("postgresql://me:p@w/PW?q@host/db", "%40"),
    ("postgresql://me:p@w#PW@host/db", "%40"), ("postgresql://host/db&password=PW#q", "%3D"),
    ("postgresql://me@host&password=PW", "%3D"), ("postgresql://host/db%26password%3DPW", "%3D"),
    ("postgresql://me%3APW@host/db", "%3A"), ("postgresql:///me%3APW%40host/db", "%40"),
    ("postgresql://host:PW/db", "postgresql://…"), ("postgresql://host/db#q?password=PW", "before the name"),
    ("postgresql://host/db#q&%70assword=PW", "before the name"), ("postgresql://host/db#q?sslmode=require", "before"),
  ])
  func isRefused(_ text: String, words: String) throws {
    let error = #expect(throws: StudyError.self) {
      try StudyAddress(text.replacingOccurrences(of: "PW", with: Self.secret))
    }
    let message = error?.description ?? ""
    #expect(message.contains(words) && !message.contains(Self.secret) && !message.contains("\n"), "\(message)")
  }

  @Test(arguments: [
    ("PostgreSQL://me:PW@host/db#q", "postgresql://me@host/db#q"),
    (" postgres://me@host/db\n", "postgres://me@host/db"),
    ("postgresql://me:PW@host/db?user=a@b&password=PW#q", "postgresql://me@host/db#q"),
    ("postgresql://me:a?PW@host/db#q", "postgresql://me@host/db#q"),
    ("postgresql://me:a=&%40PW@host/db#q", "postgresql://me@host/db#q"),
    ("postgresql://?host=/tmp&password=PW#q", "postgresql://#q"),
    ("postgresql:///db?host=/tmp&password=PW#q", "postgresql:///db#q"),
    ("postgresql://host/db?%70assword=PW#a b/c?d", "postgresql://host/db#a b/c?d"),
    ("postgresql://me@host/db#run@home", "postgresql://me@host/db#run@home"),
    ("postgresql://[::1]:5432,b/db#q", "postgresql://[::1]:5432,b/db#q"),
  ])
  func isShownWithoutPassword(_ text: String, shown: String) throws {
    #expect(try StudyAddress(text.replacingOccurrences(of: "PW", with: Self.secret)).description == shown)
  }

  @Test(arguments: ["results/a", "a:b/c", "host", "a=b", "~/study", "study@home", "2026-01-01T12:30:00", "postgres"])
  func foldersStayFolders(_ path: String) throws {
    let address = try StudyAddress(path)
    #expect(address.folder == URL(fileURLWithPath: path) && address.description == path)
  }
}
