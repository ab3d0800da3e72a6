import Foundation

/// The location of a study: a folder of its own or, with others, a PostgreSQL database.
public enum StudyLocation: Hashable, Sendable, CustomStringConvertible {
  /// A directory with `study.db`, an SQLite database.
  case folder(URL)
  case server(PostgresURL)

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
}
