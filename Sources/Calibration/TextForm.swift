import Checkpoints

/// The form in which a file holds its text. The content decides. The name matters only if it says JSON and the content
/// is not JSON.
enum TextForm {
  /// One running text.
  case plain
  /// A JSON value a line.
  case lines
  /// JSON values over several lines, one after another; `first` is the first of them, and ends before the byte `end`.
  case values(first: JSONValue, end: Int)

  /// Number of lines that are examined, blank ones not counted.
  private static let sample = 64

  /// - Parameters:
  ///   - text: valid UTF-8.
  ///   - isNamedJSON: whether the file's name promises JSON.
  /// - Throws: `JSONSyntaxError` for damaged JSON.
  init(_ text: UnsafeRawBufferPointer, isNamedJSON: Bool) throws(JSONSyntaxError) {
    let counts = Counts(text, sample: Self.sample)
    if counts.areLines(isNamedJSON: isNamedJSON) {
      self = .lines
      return
    }
    // Prose may begin with a bracket, such as "[1] A footnote" or "{curly} words".
    guard let first = text.first(where: { !isBlank($0) }), "{[\"".utf8.contains(first), first != quote || isNamedJSON
    else {
      self = isNamedJSON ? .lines : .plain
      return
    }
    do {
      let (value, end) = try JSONValue.parsePrefix(text, dialect: .python)
      let next = text[end...].first { !isBlank($0) }
      self = next == nil || isNamedJSON || value.isData(before: next) ? .values(first: value, end: end) : .plain
    } catch {
      if isNamedJSON || Self.opensAsJSON(text[...]) { throw error }
      self = .plain
    }
  }

  /// Whether a text begins as an object with a quoted key, or as a list of such objects or of strings. Then it is JSON
  /// (or printed by Python) even if it is damaged.
  private static func opensAsJSON(_ text: Slice<UnsafeRawBufferPointer>) -> Bool {
    let text = text.drop(while: isBlank)
    guard let first = text.first else { return false }
    let inner = text.dropFirst().drop(while: isBlank)
    guard let mark = inner.first, mark == quote || mark == apostrophe else {
      return first == UInt8(ascii: "[") && inner.first == UInt8(ascii: "{") && opensAsJSON(inner)
    }
    let key = inner.dropFirst().prefix { $0 != mark && $0 != newline }
    let after = text[key.endIndex...].dropFirst().drop(while: isBlank).first
    return after == (first == UInt8(ascii: "{") ? UInt8(ascii: ":") : UInt8(ascii: ","))
  }
}

/// Counts of the kinds of a text's first lines.
private struct Counts {
  var lines = 0
  /// Lines that are an object or a list.
  var records = 0
  /// Lines that are a string, and those of them with an escape. Prose in quotation marks has no escapes.
  var strings = 0
  var escaped = 0

  init(_ text: UnsafeRawBufferPointer, sample: Int) {
    for line in Lines(text) {
      lines += 1
      if lines == 1, line.last, "[{".utf8.contains(line.bytes[0]) {
        // The whole text is this one line. It is read as a value, and not twice.
        return
      }
      switch line.bytes[0] {
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        if let value = try? line.value(), value.isRecord { records += 1 }
      case quote:
        if (try? line.value())?.string != nil {
          strings += 1
          if line.bytes.contains(UInt8(ascii: "\\")) { escaped += 1 }
        }
      default: break
      }
      if lines == sample { break }
    }
  }

  func areLines(isNamedJSON: Bool) -> Bool {
    let quoted = isNamedJSON || (strings == lines && escaped > 0) ? strings : 0
    return lines > 0 && 2 * (records + quoted) >= lines
  }
}

extension JSONValue {
  /// Whether it may be a record on a line of its own. A number in brackets is more likely a footnote.
  fileprivate var isRecord: Bool { object.map { !$0.isEmpty } ?? array?.contains { $0.double == nil } ?? false }

  /// Whether a text that begins with this value and continues with this byte is data, and not prose with an example of
  /// data.
  fileprivate func isData(before next: UInt8?) -> Bool {
    if let object { return !object.isEmpty && next.map { "{[,".utf8.contains($0) } ?? true }
    return array.map { !$0.isEmpty && $0.allSatisfy { $0.object != nil } } ?? false
  }
}
