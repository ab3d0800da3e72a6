import Foundation

/// A JSON document. Objects keep their members in the order of the file and compare keys byte by byte: a dictionary
/// keyed by `String` would merge tokens that are canonically equivalent (é as one scalar and as e + accent), which
/// are different tokens in a vocabulary.
enum JSONValue: Sendable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([(key: String, value: JSONValue)])

  /// The member of an object, nil when it is absent or this is no object. JSON null is returned as `.null`.
  subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.last { $0.key.utf8.elementsEqual(key.utf8) }?.value
  }

  var isNull: Bool { if case .null = self { true } else { false } }
  var flag: Bool? { if case .bool(let value) = self { value } else { nil } }
  var text: String? { if case .string(let value) = self { value } else { nil } }
  var elements: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
  var members: [(key: String, value: JSONValue)]? { if case .object(let value) = self { value } else { nil } }
  /// The number as a token id: an integer from 0 to Int32.max.
  var id: Int32? {
    if case .number(let value) = self { Int32(exactly: value).flatMap { $0 >= 0 ? $0 : nil } } else { nil }
  }
}

/// A JSON parser (RFC 8259) over the bytes of a file. Beyond the standard it takes what Python writes and reads: a byte
/// order mark, `NaN`, `Infinity` and `-Infinity`.
struct JSONReader {
  private let bytes: UnsafeBufferPointer<UInt8>
  private let file: String
  private var position = 0
  private static let maximumDepth = 100

  /// - Parameter file: the name for error messages.
  /// - Throws: `TokenizerError.invalidJSON` with the byte offset.
  static func parse(_ data: Data, file: String) throws -> JSONValue {
    try data.withUnsafeBytes { (raw: UnsafeRawBufferPointer) in
      var reader = JSONReader(bytes: raw.bindMemory(to: UInt8.self), file: file)
      if raw.starts(with: [0xEF, 0xBB, 0xBF]) { reader.position = 3 }
      let value = try reader.value(depth: 0)
      reader.skipSpace()
      guard reader.position == reader.bytes.count else { throw reader.error("text after the end of the document") }
      return value
    }
  }

  private init(bytes: UnsafeBufferPointer<UInt8>, file: String) {
    self.bytes = bytes
    self.file = file
  }

  private func error(_ reason: String) -> TokenizerError {
    .invalidJSON(file: file, offset: position, reason: reason)
  }

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  private mutating func expect(_ text: StaticString) throws {
    for index in 0..<text.utf8CodeUnitCount {
      guard current == text.utf8Start[index] else { throw error("expected \(text)") }
      position += 1
    }
  }

  private mutating func value(depth: Int) throws -> JSONValue {
    guard depth < Self.maximumDepth else { throw error("nested deeper than \(Self.maximumDepth)") }
    skipSpace()
    switch current {
    case nil:
      throw error("the document ends too early")
    case UInt8(ascii: "{"):
      return try object(depth: depth)
    case UInt8(ascii: "["):
      return try array(depth: depth)
    case UInt8(ascii: "\""):
      return .string(try string())
    case UInt8(ascii: "t"):
      try expect("true")
      return .bool(true)
    case UInt8(ascii: "f"):
      try expect("false")
      return .bool(false)
    case UInt8(ascii: "n"):
      try expect("null")
      return .null
    case UInt8(ascii: "N"):
      try expect("NaN")
      return .number(.nan)
    case UInt8(ascii: "I"):
      try expect("Infinity")
      return .number(.infinity)
    default:
      return .number(try number())
    }
  }

  private mutating func object(depth: Int) throws -> JSONValue {
    position += 1
    var members: [(key: String, value: JSONValue)] = []
    skipSpace()
    if current == UInt8(ascii: "}") {
      position += 1
      return .object(members)
    }
    while true {
      skipSpace()
      guard current == UInt8(ascii: "\"") else { throw error("expected a member name in quotes") }
      let key = try string()
      skipSpace()
      try expect(":")
      members.append((key, try value(depth: depth + 1)))
      skipSpace()
      switch current {
      case UInt8(ascii: ","): position += 1
      case UInt8(ascii: "}"):
        position += 1
        return .object(members)
      default: throw error("expected , or }")
      }
    }
  }

  private mutating func array(depth: Int) throws -> JSONValue {
    position += 1
    var elements: [JSONValue] = []
    skipSpace()
    if current == UInt8(ascii: "]") {
      position += 1
      return .array(elements)
    }
    while true {
      elements.append(try value(depth: depth + 1))
      skipSpace()
      switch current {
      case UInt8(ascii: ","): position += 1
      case UInt8(ascii: "]"):
        position += 1
        return .array(elements)
      default: throw error("expected , or ]")
      }
    }
  }

  private mutating func number() throws -> Double {
    let start = position
    if current == UInt8(ascii: "-") { position += 1 }
    if position > start, current == UInt8(ascii: "I") {
      try expect("Infinity")
      return -.infinity
    }
    let integerStart = position
    try digits()
    if bytes[integerStart] == UInt8(ascii: "0"), position > integerStart + 1 {
      throw error("a number with a leading 0")
    }
    if position - start <= 9, bytes[start] != UInt8(ascii: "-"), !isFractionMark(current) {
      return Double(bytes[start..<position].reduce(0) { $0 * 10 + Int($1 &- 0x30) })
    }
    if current == UInt8(ascii: ".") {
      position += 1
      try digits()
    }
    if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
      position += 1
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
      try digits()
    }
    guard let value = Double(String(decoding: bytes[start..<position], as: UTF8.self)) else {
      throw error("a number that cannot be represented")
    }
    return value
  }

  private func isFractionMark(_ byte: UInt8?) -> Bool {
    byte == UInt8(ascii: ".") || byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E")
  }

  private mutating func digits() throws {
    let start = position
    while let byte = current, byte >= 0x30, byte <= 0x39 { position += 1 }
    guard position > start else { throw error("expected a value") }
  }

  private mutating func string() throws -> String {
    position += 1
    let start = position
    while let byte = current, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
    if current == UInt8(ascii: "\"") {
      defer { position += 1 }
      return try validated(bytes[start..<position], at: start)
    }
    var text = Array(bytes[start..<position])
    while let byte = current {
      switch byte {
      case UInt8(ascii: "\""):
        defer { position += 1 }
        return try validated(text[...], at: start)
      case UInt8(ascii: "\\"):
        try escape(into: &text)
      case 0..<0x20:
        throw error("a control character inside a string")
      default:
        text.append(byte)
        position += 1
      }
    }
    throw error("a string that does not end")
  }

  private func validated(_ text: some Collection<UInt8>, at start: Int) throws -> String {
    guard let string = String(validating: text, as: UTF8.self) else {
      throw TokenizerError.invalidJSON(file: file, offset: start, reason: "a string that is not UTF-8")
    }
    return string
  }

  private mutating func escape(into text: inout [UInt8]) throws {
    position += 1
    guard let byte = current else { throw error("a string that does not end") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"):
      var code = try hexadecimal()
      if code & 0xFC00 == 0xD800 {
        try expect("\\u")
        let low = try hexadecimal()
        guard low & 0xFC00 == 0xDC00 else { throw error("half of a surrogate pair") }
        code = 0x10000 + (code & 0x3FF) << 10 + (low & 0x3FF)
      }
      guard let scalar = Unicode.Scalar(code) else { throw error("half of a surrogate pair") }
      text.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    default:
      throw error("an unknown escape in a string")
    }
  }

  private mutating func hexadecimal() throws -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw error("expected four hexadecimal digits")
      }
      code = code << 4 | UInt32(digit)
      position += 1
    }
    return code
  }
}
