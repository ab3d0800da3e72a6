import Foundation

/// The location of a study: a folder of its own or, with others, a PostgreSQL database.
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

  /// The name of one study in errors.
  func studyName(_ name: String) -> String {
    switch self {
    case .folder(let directory): directory.path
    case .server(let url): "\(url.description) (\(name))"
    }
  }

  /// The name of the database in errors: its file, or the URL without its password.
  var databaseName: String {
    switch self {
    case .folder(let directory): directory.appendingPathComponent(Study.fileName).path
    case .server(let url): url.description
    }
  }
}
