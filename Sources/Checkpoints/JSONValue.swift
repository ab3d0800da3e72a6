/// A JSON document as it was read. Integers and numbers with a fraction or exponent stay apart, so that writing it
/// again does not turn `1` into `1.0` or the reverse.
public enum JSONValue: Sendable, Hashable {
  case null
  case bool(Bool)
  case integer(Int)
  /// A number with a fraction or an exponent, or an integer beyond 64 bits.
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])
  /// An object whose members keep their order and whose keys are compared byte by byte. In a dictionary, tokens that
  /// are canonically equivalent (é as one scalar and as e + accent) would be one.
  case members([JSONMember])

  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  /// An integer, also one that was written with a zero fraction (`2.0`).
  public var integer: Int? {
    switch self {
    case .integer(let value): value
    case .number(let value): Int(exactly: value)
    default: nil
    }
  }
  /// Any number.
  public var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }
  public var string: String? { if case .string(let value) = self { value } else { nil } }
  public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
  public var object: [String: JSONValue]? { if case .object(let value) = self { value } else { nil } }

  public var members: [JSONMember]? { if case .members(let value) = self { value } else { nil } }

  /// The member of an object, the last of several; nil for an absent member and for anything but an object.
  public subscript(key: String) -> JSONValue? {
    if let members { members.last { $0.key.utf8.elementsEqual(key.utf8) }?.value } else { object?[key] }
  }

  /// An object whose members keep their order.
  public static func ordered(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
    .members(members.map { JSONMember(key: $0, value: $1) })
  }

  /// The number, or null where there is none.
  public static func optional(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }

  /// The integer, or null where there is none.
  public static func optional(_ value: Int?) -> JSONValue { value.map { .integer($0) } ?? .null }

  /// The text, or null where there is none.
  public static func optional(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }

  public static func integers(_ values: [Int]) -> JSONValue { .array(values.map { .integer($0) }) }

  /// A description for error messages, such as `the string "llama"` or `an array of 3`.
  public var summary: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .integer(let value): "the integer \(value)"
    case .number(let value): "the number \(value)"
    case .string(let value): "the string \"\(value.prefix(40))\(value.count > 40 ? "…" : "")\""
    case .array(let values): "an array of \(values.count)"
    case .object(let members): "an object with \(members.count) members"
    case .members(let members): "an object with \(members.count) members"
    }
  }

  /// The text of this value with the members of objects in the order of their keys, so that equal values have equal
  /// text. Indented by two spaces as Hugging Face writes its files, without a final newline; or on one line.
  public func text(indented: Bool = true) -> String { JSONWriter.text(self, indented ? .huggingFace : .line) }

  /// The text for a document of this program: indented, with lists of plain values on one line, ended by a line break.
  public var document: String { JSONWriter.text(self, .document) + "\n" }

  /// One line without spaces.
  public var compact: String { JSONWriter.text(self, .compact) }

  /// One line that may stand inside an HTML `<script>` element: neither `</script>` nor `<!--` can occur.
  public var script: String { JSONWriter.text(self, .script) }

  /// True for a value without elements.
  var isPlain: Bool {
    switch self {
    case .array, .object, .members: false
    default: true
    }
  }
}

/// A member of an object that keeps its order.
public struct JSONMember: Sendable, Hashable {
  public var key: String
  public var value: JSONValue

  public init(key: String, value: JSONValue) {
    self.key = key
    self.value = value
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int) { self = .integer(value) }
  public init(floatLiteral value: Double) { self = .number(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(Dictionary(elements, uniquingKeysWith: { $1 }))
  }
  public init(nilLiteral: ()) { self = .null }
}
