import Foundation

/// The address of a study: a folder, or a database on a server and a name in it.
///
/// The address as one text: the path of the folder, or `postgresql://…#NAME`. The name may be left out if the database
/// holds only one study.
public struct StudyAddress: Hashable, Sendable, CustomStringConvertible {
  public let location: StudyLocation
  /// The name on a server; `nil` for the only study there.
  public let name: String?
  /// The text for the command line: a path as it was given, a URL without its password.
  public let description: String

  /// - Throws: `StudyError.invalidURL`, `.invalidAddress`.
  public init(_ text: String) throws(StudyError) {
    switch try PlaceText(text) {
    case .folder(let path):
      location = .folder(URL(fileURLWithPath: path))
      name = nil
      description = path
    case .server(let text):
      let parts = text.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let url = try PostgresURL(parts[0])
      name = parts.count == 2 && !parts[1].isEmpty ? parts[1] : nil
      if let name { try Self.check(name, after: url) }
      location = .server(url)
      description = url.description + (name.map { "#" + $0 } ?? "")
    }
  }

  /// Names are shown, so a name must not be the rest of a password or hold options.
  private static func check(_ name: String, after url: PostgresURL) throws(StudyError) {
    let plain = name.removingPercentEncoding ?? name
    let given = "postgresql://…#…"
    if url.mayHidePassword && plain.contains("@") {
      throw .invalidAddress(given: given, advice: "write '#' and '@' of a password as %23 and %40")
    }
    if plain.contains("=") && (plain.contains("?") || plain.lowercased().contains("password")) {
      throw .invalidAddress(
        given: given, advice: "options stand before the name: postgresql://host/database?option=value#NAME")
    }
  }

  /// The folder of the study; `nil` on a server.
  public var folder: URL? {
    if case .folder(let directory) = location { directory } else { nil }
  }

  /// The name of a study that is made here: that of its folder, or the one on the server; `nil` if none is given.
  public var newName: String? { folder?.lastPathComponent ?? name }

  /// Whether there is a study. On a server without a name: whether there may be one.
  ///
  /// - Throws: `StudyError.database` if the server cannot be asked.
  public func exists() throws(StudyError) -> Bool {
    switch location {
    case .folder(let directory): return Study.exists(at: directory)
    case .server:
      guard let name else { return true }
      return try Study.exists(at: location, name: name)
    }
  }

  /// Opens the study.
  ///
  /// - Throws: as `Study.open`.
  public func open(access: Study.Access, model: ModelIdentity? = nil) throws(StudyError) -> Study {
    try Study.open(location, name: name, access: access, model: model)
  }
}
