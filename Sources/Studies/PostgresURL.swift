import CPostgres
import Foundation

/// The address of a PostgreSQL database, as libpq reads it:
/// `postgresql://user:password@host:port/database?option=value`.
///
/// Missing parts are taken from the usual variables (`PGHOST`, `PGUSER`, …) and files (`~/.pgpass`), so a password need
/// not be part of it. Source: <https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING>.
public struct PostgresURL: Hashable, Sendable, CustomStringConvertible {
  static let schemes = ["postgresql", "postgres"]

  /// The whole URL, for libpq only.
  let text: String
  /// The URL without a password and without options, for messages.
  public let description: String
  /// Whether an `@` after the host could belong to the password. Then the text before it could, too.
  let mayHidePassword: Bool

  /// - Parameter text: URL with its scheme in small letters.
  /// - Throws: `StudyError.invalidURL` if libpq cannot read it.
  public init(_ text: String) throws(StudyError) {
    // libpq's own message may repeat the URL with its password, so it is not shown.
    guard let parts = Parts(text), parts.isPlain, !text.utf8.contains(0), let options = PQconninfoParse(text, nil)
    else {
      throw .invalidURL(url: text.prefix { $0 != ":" } + "://…")
    }
    PQconninfoFree(options)
    self.text = text
    description = parts.shown
    mayHidePassword = parts.mayHidePassword
  }

  /// A URL cut as libpq cuts it.
  private struct Parts {
    let scheme: Substring
    /// `nil` without credentials.
    let user: Substring?
    let hasPassword: Bool
    /// Hosts and ports, joined by commas.
    let hosts: Substring
    /// `/` and the database's name, or nothing.
    let path: Substring

    init?(_ text: String) {
      // The first `@` ends user and password, unless a `/` comes before it.
      let form = #/(postgres(?:ql)?:\/\/)(?:([^:@\/]*)(:[^@\/]*)?@)?([^\/?]*)([^?]*)/#
      guard let cut = text.prefixMatch(of: form) else { return nil }
      (scheme, user, hasPassword, hosts, path) = (cut.1, cut.2, cut.3 != nil, cut.4, cut.5)
    }

    var shown: String { scheme + (user.map { $0 + "@" } ?? "") + hosts + path }

    private var ports: [Substring] {
      hosts.split(separator: ",").compactMap { host in
        let end = host.lastIndex(of: "]") ?? host.startIndex
        return host[end...].firstIndex(of: ":").map { host[host.index(after: $0)...] }
      }
    }

    /// A password with an `@` of its own continues at the place of the host; one with a `/` or `#` begins at the place
    /// of the port.
    var mayHidePassword: Bool { hasPassword || user == nil && !ports.isEmpty }

    /// Whether no shown text can be, or be a part of, a password, even of one that is not encoded correctly.
    var isPlain: Bool {
      guard let user = (user ?? "").removingPercentEncoding, let hosts = hosts.removingPercentEncoding,
        let path = path.removingPercentEncoding
      else { return false }
      return !user.contains { ":=".contains($0) } && !hosts.contains { "@=".contains($0) }
        && !path.contains { "@=".contains($0) } && ports.allSatisfy { $0.allSatisfy(\.isNumber) }
    }
  }
}
