import Checkpoints

/// The place of the text in a record: a key, or keys and indices joined by dots, such as `messages.0.content`.
struct TextField {
  let path: String

  /// - Parameter place: place of the record, for errors.
  /// - Throws: `CalibrationError.unusable`.
  func text(of record: JSONValue, at place: String) throws -> String {
    func wrong(_ problem: String) -> CalibrationError { .unusable(place, reason: problem + hint(record)) }
    // A record that is a text has no fields.
    if let text = record.string { return text }
    guard record.object != nil else {
      throw wrong("\(record.summary), not an object with the text in '\(path)'")
    }
    guard let value = Self.value(path[...], in: record) else {
      throw wrong("no field '\(path)'")
    }
    guard let text = value.string else {
      throw wrong("the field '\(path)' is \(value.summary), not a string")
    }
    return text
  }

  /// A key with dots of its own is tried before keys that are joined by dots.
  static func value(_ path: Substring, in value: JSONValue) -> JSONValue? {
    if let found = value[key: path] { return found }
    for dot in path.indices.reversed() where path[dot] == "." {
      if let inner = value[key: path[..<dot]],
        let found = Self.value(path[path.index(after: dot)...], in: inner)
      {
        return found
      }
    }
    return nil
  }

  // MARK: - What would do

  private static let mostKeys = 12
  private static let mostFields = 3
  private static let deepest = 4

  /// The keys of the record, and the fields with the longest strings.
  private func hint(_ record: JSONValue) -> String {
    var parts: [String] = []
    if let keys = record.object?.keys.sorted(), !keys.isEmpty {
      let more = keys.count > Self.mostKeys ? ", …" : ""
      parts.append("its keys are \(keys.prefix(Self.mostKeys).joined(separator: ", "))\(more)")
    }
    let fields = Self.strings(in: record, depth: 0).sorted { ($1.length, $0.path) < ($0.length, $1.path) }
    if !fields.isEmpty {
      parts.append("there is text in --field " + fields.prefix(Self.mostFields).map(\.path).joined(separator: ", "))
    }
    if let list = record.object?.filter({ $0.value.array?.first?.object != nil }).keys.min() {
      parts.append("'jq -c \".\(list)[]\"' makes JSON lines of the list '\(list)'")
    }
    return parts.isEmpty ? "" : "; " + parts.joined(separator: "; ")
  }

  /// Strings within a value; for a list, within its first element.
  private static func strings(in value: JSONValue, depth: Int) -> [(path: String, length: Int)] {
    if depth > deepest { return [] }
    let members: [(String, JSONValue)] =
      value.object?.sorted { $0.key < $1.key } ?? value.array?.first.map { [("0", $0)] } ?? []
    return members.flatMap { key, member in
      member.string.map { [(key, $0.utf8.count)] }
        ?? strings(in: member, depth: depth + 1).map { ("\(key).\($0.path)", $0.length) }
    }
  }
}

extension JSONValue {
  /// A member by its key, or an element by its number.
  fileprivate subscript(key key: Substring) -> JSONValue? {
    if let object { return object[String(key)] }
    guard let array, let index = Int(key), array.indices.contains(index) else { return nil }
    return array[index]
  }
}
