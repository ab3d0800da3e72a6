import Foundation

/// Which study is meant: a folder, or a database on a server and a name in it.
///
/// As one text: the path of the folder, or `postgresql://…#NAME`. The name may be left out where the database holds one
/// study only.
public struct StudyAddress: Hashable, Sendable, CustomStringConvertible {
  public let location: StudyLocation
  /// On a server; `nil` for the only study there.
  public let name: String?
  /// As the command line takes it, a path as it was given, a URL without its password.
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

  /// A name is shown, so it must not be the rest of a password or hold options.
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

  /// What a study made here is called: as its folder, or the name on the server; `nil` where that is not given.
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
