import CPostgres
import Foundation

/// The address of a PostgreSQL database, as libpq reads it: `postgresql://user:password@host:port/database?option=value`.
///
/// Whatever it leaves out is taken from the usual variables (`PGHOST`, `PGUSER`, …) and files (`~/.pgpass`), so that a
/// password need not be part of it. Source:
/// <https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING>.
public struct PostgresURL: Hashable, Sendable, CustomStringConvertible {
  /// The whole URL, for libpq only.
  let text: String
  /// The URL without a password and without options, fit to be shown.
  public let description: String

  /// Whether a text is an address of this kind, well-formed or not.
  static func isMeant(by text: String) -> Bool {
    ["postgresql://", "postgres://"].contains { text.hasPrefix($0) }
  }

  /// - Throws: `StudyError.invalidURL` if libpq cannot read it.
  public init(_ text: String) throws(StudyError) {
    // libpq's own message may repeat the URL with its password, so it is not shown.
    guard let shown = Self.shown(text), !text.utf8.contains(0), let options = PQconninfoParse(text, nil) else {
      throw .invalidURL(url: text.prefix { $0 != ":" } + "://…")
    }
    PQconninfoFree(options)
    self.text = text
    description = shown
  }

  /// The text without password and options; `nil` where a part of the password may pass for something else.
  private static func shown(_ text: String) -> String? {
    guard isMeant(by: text), let scheme = text.range(of: "://") else { return nil }
    let address = text[scheme.upperBound...]
    // As libpq does: what stands before an `@` without a `/` is user and password, whatever else it holds.
    let authority = address.prefix { $0 != "/" }
    let at = authority.firstIndex(of: "@")
    let user = at.map { authority[..<$0].prefix { $0 != ":" } }
    let rest = address[(at.map { address.index(after: $0) } ?? address.startIndex)...].prefix { $0 != "?" }
    if user?.contains("?") ?? false || rest.contains("@") { return nil }
    return text[..<scheme.upperBound] + (user.map { $0 + "@" } ?? "") + rest
  }
}
