import Foundation

extension JSONValue {
  /// Which texts are JSON.
  public enum Dialect: Sendable {
    /// RFC 8259 in UTF-8: no comments, no trailing text, no repeated key in an object.
    case strict
    /// As `strict`, and half of a surrogate pair is an error: where a text is taken as it is or not at all.
    case wholeCharacters
    /// The dialect of Python's `json` module: also, `NaN`, `Infinity` and `-Infinity` are numbers, and the last of
    /// repeated keys counts. A byte order mark at the beginning is skipped.
    case python
    /// As `python`, but objects become `.members`, and half of a surrogate pair is an error, as for `tokenizers`.
    case ordered
  }

  /// Reads a JSON text of no more than 64 levels of nesting.
  /// - Parameter file: named in errors.
  /// - Throws: `CheckpointError.malformed`, which states the problem and the byte it was found at.
  public static func parse(
    _ bytes: UnsafeRawBufferPointer, file: String, dialect: Dialect = .strict
  ) throws -> JSONValue {
    var parser = JSONParser(bytes: bytes, dialect: dialect)
    do {
      return try parser.document()
    } catch {
      throw CheckpointError.malformed(file: file, problem: "not valid JSON: \(error.problem) at byte \(error.position)")
    }
  }

  /// Reads the value that a text begins with; what follows it is left to the caller.
  /// - Returns: the value, and the position of the first byte after it.
  /// - Throws: `JSONSyntaxError`.
  public static func parsePrefix(
    _ bytes: UnsafeRawBufferPointer, dialect: Dialect = .strict
  ) throws(JSONSyntaxError) -> (value: JSONValue, end: Int) {
    var parser = JSONParser(bytes: bytes, dialect: dialect)
    let value = try parser.value(depth: 0)
    return (value, parser.position)
  }

  public static func parse(_ text: String, file: String, dialect: Dialect = .strict) throws -> JSONValue {
    var text = text
    return try text.withUTF8 { try parse(UnsafeRawBufferPointer($0), file: file, dialect: dialect) }
  }

  /// Reads a whole file.
  /// - Throws: `CheckpointError.unreadable` or `.malformed`, which names what the file is instead where that is well
  ///   known.
  public static func read(_ url: URL, dialect: Dialect = .strict) throws -> JSONValue {
    let file = try MappedFile(url)
    return try withExtendedLifetime(file) {
      if let kind = FileKind(file.bytes), kind != .utf8Mark || dialect == .strict || dialect == .wholeCharacters {
        throw CheckpointError.otherKind(kind, path: file.path, expected: "JSON")
      }
      return try parse(file.bytes, file: file.path, dialect: dialect)
    }
  }
}

/// Where a text stops to be JSON, and why.
public struct JSONSyntaxError: Error, Equatable {
  public let problem: String
  /// The byte, counted from 0.
  public let position: Int

  public init(problem: String, position: Int) {
    self.problem = problem
    self.position = position
  }
}

/// Recursive descent over the bytes of a JSON text.
private struct JSONParser {
  let bytes: UnsafeRawBufferPointer
  let dialect: JSONValue.Dialect
  var position = 0
  static let maximumDepth = 64

  var isPython: Bool { dialect == .python || isOrdered }
  var isOrdered: Bool { dialect == .ordered }

  mutating func document() throws(JSONSyntaxError) -> JSONValue {
    if isPython, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    let result = try value(depth: 0)
    skipSpace()
    guard position == bytes.count else { throw failure("text after the end of the value") }
    return result
  }

  private func failure(_ problem: String) -> JSONSyntaxError { .init(problem: problem, position: position) }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    position += 1
    return true
  }

  mutating func value(depth: Int) throws(JSONSyntaxError) -> JSONValue {
    guard depth < JSONParser.maximumDepth else { throw failure("nesting deeper than \(JSONParser.maximumDepth)") }
    skipSpace()
    switch next {
    case nil: throw failure("unexpected end")
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "N") where isPython: return try word("NaN", .number(.nan))
    case UInt8(ascii: "I") where isPython: return try word("Infinity", .number(.infinity))
    default: return try number()
    }
  }

  private mutating func word(_ text: StaticString, _ meaning: JSONValue) throws(JSONSyntaxError) -> JSONValue {
    for i in 0..<text.utf8CodeUnitCount {
      guard take(text.utf8Start[i]) else { throw failure("unexpected character") }
    }
    return meaning
  }

  private mutating func object(depth: Int) throws(JSONSyntaxError) -> JSONValue {
    position += 1
    var members: [String: JSONValue] = [:]
    var ordered: [JSONMember] = []
    skipSpace()
    if take(UInt8(ascii: "}")) { return isOrdered ? .members([]) : .object([:]) }
    while true {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw failure("a key was expected") }
      let start = position
      let key = try string()
      skipSpace()
      guard take(UInt8(ascii: ":")) else { throw failure("':' was expected") }
      let member = try value(depth: depth + 1)
      if isOrdered {
        ordered.append(JSONMember(key: key, value: member))
      } else if members.updateValue(member, forKey: key) != nil, !isPython {
        throw JSONSyntaxError(problem: "the key '\(key)' is repeated", position: start)
      }
      skipSpace()
      if take(UInt8(ascii: "}")) { return isOrdered ? .members(ordered) : .object(members) }
      guard take(UInt8(ascii: ",")) else { throw failure("',' or '}' was expected") }
    }
  }

  private mutating func array(depth: Int) throws(JSONSyntaxError) -> JSONValue {
    position += 1
    var elements: [JSONValue] = []
    skipSpace()
    if take(UInt8(ascii: "]")) { return .array(elements) }
    while true {
      elements.append(try value(depth: depth + 1))
      skipSpace()
      if take(UInt8(ascii: "]")) { return .array(elements) }
      guard take(UInt8(ascii: ",")) else { throw failure("',' or ']' was expected") }
    }
  }

  private mutating func number() throws(JSONSyntaxError) -> JSONValue {
    let start = position
    if take(UInt8(ascii: "-")), isPython, next == UInt8(ascii: "I") { return try word("Infinity", .number(-.infinity)) }
    let leading = next
    let integerDigits = digits()
    guard integerDigits > 0 else { throw failure("unexpected character") }
    guard leading != UInt8(ascii: "0") || integerDigits == 1 else { throw failure("a number begins with 0") }
    var isInteger = true
    if take(UInt8(ascii: ".")) {
      isInteger = false
      guard digits() > 0 else { throw failure("a digit was expected") }
    }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      isInteger = false
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      guard digits() > 0 else { throw failure("a digit was expected") }
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let value = Int(text) { return .integer(value) }
    // Python reads 1e400 as infinity.
    guard let value = Double(text), value.isFinite || isPython else {
      throw JSONSyntaxError(problem: "the number \(text.prefix(40)) is out of range", position: start)
    }
    return .number(value)
  }

  /// Skips digits and counts them.
  private mutating func digits() -> Int {
    let start = position
    while let byte = next, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { position += 1 }
    return position - start
  }

  private mutating func string() throws(JSONSyntaxError) -> String {
    position += 1
    let start = position
    var decoded: [UInt8]?  // Only for strings with escapes.
    var run = start
    while true {
      guard let byte = next else { throw failure("unexpected end of a string") }
      guard byte >= 0x20 else { throw failure("a control character in a string") }
      if byte == UInt8(ascii: "\"") { break }
      position += 1
      if byte == UInt8(ascii: "\\") {
        var text = decoded ?? []
        text.append(contentsOf: bytes[run..<position - 1])
        text.append(contentsOf: String(try escape()).utf8)
        decoded = text
        run = position
      }
    }
    let tail = bytes[run..<position]
    let text: String?
    if var whole = decoded {
      whole.append(contentsOf: tail)
      text = String(validating: whole, as: UTF8.self)
    } else {
      text = String(validating: tail, as: UTF8.self)
    }
    guard let text else { throw JSONSyntaxError(problem: "a string is not valid UTF-8", position: start) }
    position += 1
    return text
  }

  /// The character after a backslash. Half of a surrogate pair alone becomes U+FFFD.
  private mutating func escape() throws(JSONSyntaxError) -> Unicode.Scalar {
    guard let byte = next else { throw failure("unexpected end of a string") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default: throw failure("an unknown escape in a string")
    }
    let first = try hexadecimal()
    if let scalar = Unicode.Scalar(first) { return scalar }
    let afterFirst = position
    if first < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) {
      let second = try hexadecimal()
      if (0xDC00...0xDFFF).contains(second) {
        let code = 0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00)
        return Unicode.Scalar(code) ?? "\u{FFFD}"
      }
    }
    position = afterFirst
    if isOrdered || dialect == .wholeCharacters { throw failure("half of a surrogate pair") }
    return "\u{FFFD}"
  }

  private mutating func hexadecimal() throws(JSONSyntaxError) -> UInt16 {
    var value: UInt16 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw failure("four hexadecimal digits were expected")
      }
      value = value << 4 | UInt16(digit)
      position += 1
    }
    return value
  }
}
