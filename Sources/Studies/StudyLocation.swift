import Foundation

/// Where a study lies: in a folder of its own or, with others, in a PostgreSQL database.
public enum StudyLocation: Hashable, Sendable, CustomStringConvertible {
  /// A directory with `study.db`, an SQLite database.
  case folder(URL)
  case server(PostgresURL)

  /// - Parameter text: `postgresql://…`, else the path of a folder.
  /// - Throws: `StudyError.invalidURL`, `.invalidAddress`.
  public init(_ text: String) throws(StudyError) {
    switch try PlaceText(text) {
    case .folder(let path): self = .folder(URL(fileURLWithPath: path))
    case .server(let url): self = .server(try PostgresURL(url))
    }
  }

  /// The path, or the URL without its password.
  public var description: String {
    switch self {
    case .folder(let directory): directory.path
    case .server(let url): url.description
    }
  }

  /// What errors of one study name.
  func studyName(_ name: String) -> String {
    switch self {
    case .folder(let directory): directory.path
    case .server(let url): "\(url.description) (\(name))"
    }
  }

  /// What errors of the database name: the database file, or the URL without its password.
  var databaseName: String {
    switch self {
    case .folder(let directory): directory.appendingPathComponent(Study.fileName).path
    case .server(let url): url.description
    }
  }
}
