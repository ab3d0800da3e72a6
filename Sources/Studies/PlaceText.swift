import Foundation

/// The meaning of a text that names the place of a study. It may hold a password, so errors repeat only parts that are
/// known not to be one.
enum PlaceText {
  case folder(String)
  /// A URL of PostgreSQL, well-formed or not, its scheme in small letters.
  case server(String)

  /// - Throws: `StudyError.invalidAddress` for an address of another kind, which must not become a folder.
  init(_ text: String) throws(StudyError) {
    let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
    guard let mark = trimmed.range(of: "://") else {
      if let advice = Self.mistaken(trimmed) { throw .invalidAddress(given: "the text given", advice: advice) }
      self = .folder(text)
      return
    }
    let scheme = trimmed[..<mark.lowerBound].lowercased()
    let rest = String(trimmed[mark.upperBound...])
    if PostgresURL.schemes.contains(scheme) {
      self = .server("\(scheme)://\(rest)")
      return
    }
    let isScheme =
      scheme.first?.isLetter ?? false && scheme.allSatisfy { $0.isLetter || $0.isNumber || "+.-".contains($0) }
    throw .invalidAddress(
      given: isScheme ? "\(scheme)://…" : "the text given", advice: Self.advice(scheme, rest) ?? Self.forms)
  }

  private static let forms = "give a folder, or postgresql://user@host/database#NAME"

  /// The text to write instead of an address of another program.
  private static func advice(_ scheme: String, _ rest: String) -> String? {
    let parts = scheme.split(separator: "+", maxSplits: 1)
    switch parts.first {
    case "sqlite":
      let path = rest.hasPrefix("/") ? String(rest.dropFirst()) : rest
      let isPlain = !path.contains { "@:?#=".contains($0) } && path.hasSuffix("/\(Study.fileName)")
      return "give the folder that holds \(Study.fileName)"
        + (isPlain ? ": \(path.dropLast(Study.fileName.count + 1))" : "")
    case "postgresql", "postgres":
      guard let address = try? StudyAddress("postgresql://\(rest)") else { return nil }
      return "this is SQLAlchemy's form; here it is \(address), with the password, if there is one, where it was"
    default: return nil
    }
  }

  /// A message about a text without `://` that is an incomplete address and not a path; `nil` for a path.
  private static func mistaken(_ text: String) -> String? {
    let lower = (text.removingPercentEncoding ?? text).lowercased()
    let isCut = ["postgresql", "postgres"].contains { name in
      guard lower.hasPrefix(name) else { return false }
      let rest = lower.dropFirst(name.count)
      return rest.hasPrefix("://") || rest.hasPrefix(":") || rest.hasPrefix("//")
        || rest.hasPrefix("+") && rest.contains(":")
    }
    let options = ["host", "hostaddr", "dbname", "user", "service"]
    let isSecret = lower.contains("password=") || lower.contains("password =")
    let isOptions =
      options.contains { lower.hasPrefix($0 + " =") }
      || lower.split(separator: " ").contains { word in options.contains { word.hasPrefix($0 + "=") } }
    // Such as me:secret@host/studies.
    let isHost = lower.split(separator: "/").contains { part in
      part.firstIndex(of: ":").map { part[$0...].contains("@") } ?? false
    }
    // An existing folder may have such a name, but hardly a new one.
    let isThere = FileManager.default.fileExists(atPath: text)
    return isCut || isSecret || (isOptions || isHost) && !isThere ? forms : nil
  }
}
