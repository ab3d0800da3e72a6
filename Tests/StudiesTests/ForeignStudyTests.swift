import Foundation
import Testing

@testable import Studies

/// Databases that Optuna made, or nobody, in the place of a study of ours.
@Suite struct ForeignStudyTests {
  /// Tables as Optuna makes them, with studies that have attributes of their own.
  private func storage(_ names: [String], migration: String = OptunaSchema.migration, in folder: URL) throws -> String {
    let path = folder.appendingPathComponent(Study.fileName).path
    let database = try SQLiteDatabase(path: path, isReadOnly: false)
    try database.write { session in
      try OptunaSchema.install(session)
      try session.run("UPDATE alembic_version SET version_num = ?", [migration])
      try Self.add(names, session)
    }
    try database.close()
    return path
  }

  private func folder() throws -> Scratch {
    let folder = Scratch()
    try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
    return folder
  }

  private static func add(_ names: [String], _ session: any DatabaseSession) throws {
    for name in names {
      let row = try session.run("INSERT INTO studies (study_name) VALUES (?) RETURNING study_id", [name]).first
      for (key, value) in [("model", "\"resnet\""), ("space", "[1, 2]")] {
        try session.run(
          "INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (?, ?, ?)",
          [row?.integer("study_id"), key, value])
      }
    }
  }

  @Test func isNamed() throws {
    let folder = try folder()
    let path = try storage(["my study"], in: folder.url)
    for name in [nil, "my study"] {
      for access in [Study.Access.inspect, .resume, .work] {
        #expect(throws: StudyError.foreignStudy(path: path, names: ["my study"])) {
          try Study.open(.folder(folder.url), name: name, access: access)
        }
      }
    }
    #expect(
      StudyError.foreignStudy(path: "a/study.db", names: ["x"]).description
        == "a/study.db holds the Optuna study 'x', which nas-search did not make")
    #expect(throws: StudyError.noSuchStudy(path: path, name: "other", present: ["my study"])) {
      try Study.open(.folder(folder.url), name: "other", access: .inspect)
    }
  }

  @Test func severalAreNamed() throws {
    let folder = try folder()
    let path = try storage(["a", "b"], in: folder.url)
    let error = StudyError.foreignStudy(path: path, names: ["a", "b"])
    #expect(throws: error) { try Study.open(.folder(folder.url), access: .inspect) }
    #expect(error.description.hasSuffix("holds the Optuna studies 'a', 'b', which nas-search did not make"))
  }

  /// Optuna may keep studies beside ours: without a name, ours is meant.
  @Test func oursIsFoundBesideThem() throws {
    let folder = try folder()
    try Toy.create(at: .folder(folder.url)).close()
    let path = folder.url.appendingPathComponent(Study.fileName).path
    let database = try SQLiteDatabase(path: path, isReadOnly: false)
    try database.write { try Self.add(["theirs"], $0) }
    try database.close()
    #expect(try Study.open(.folder(folder.url), access: .inspect).name == "toy")
    #expect(throws: StudyError.foreignStudy(path: path, names: ["theirs"])) {
      try Study.open(.folder(folder.url), name: "theirs", access: .inspect)
    }
  }

  @Test(.enabled(if: PostgresServer.isThere, Comment(rawValue: PostgresServer.problem ?? "")))
  func onAServerToo() throws {
    let url = try PostgresServer.database()
    let database = try PostgresDatabase(url)
    try database.write { session in
      try OptunaSchema.install(session)
      try Self.add(["theirs"], session)
    }
    for name in [nil, "theirs"] {
      #expect(throws: StudyError.foreignStudy(path: url.description, names: ["theirs"])) {
        try Study.open(.server(url), name: name)
      }
    }
    try Toy.create(at: .server(url), name: "ours").close()
    #expect(try Study.open(.server(url), access: .inspect).name == "ours")
  }

  @Test(arguments: ["v9.0.0.a", "v2.6.0.a"])
  func otherSchemasAreNamed(_ migration: String) throws {
    let folder = try folder()
    let path = try storage(["a"], migration: migration, in: folder.url)
    let error = StudyError.unsupportedSchema(path: path, found: migration, expected: OptunaSchema.migration)
    #expect(throws: error) { try Study.open(.folder(folder.url), access: .inspect) }
    #expect(error.description.contains(migration) && error.description.contains("optuna storage upgrade"))
  }

  @Test func otherFilesAreNamed() throws {
    let folder = try folder()
    let place = folder.url.appendingPathComponent(Study.fileName)
    func expect(_ words: String, sourceLocation: SourceLocation = #_sourceLocation) {
      let error = #expect(throws: StudyError.self, sourceLocation: sourceLocation) {
        try Study.open(.folder(folder.url), access: .inspect)
      }
      let text = error?.description ?? ""
      #expect(text.contains(place.path) && text.contains(words), "\(text)", sourceLocation: sourceLocation)
    }
    for (content, words) in [
      ("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "it is a Git LFS pointer; the real file"),
      ("<html></html>", "it is a web page (HTML)"), ("hello", "not a database"), ("", "another program, or empty"),
    ] {
      try Data(content.utf8).write(to: place)
      expect(words)
    }
    try FileManager.default.removeItem(at: place)
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: false)
    expect("it is a directory")
    try FileManager.default.removeItem(at: place)
    #expect(mkfifo(place.path, 0o600) == 0)
    expect("it is not a regular file")
  }
}
