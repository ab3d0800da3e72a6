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

  /// The member of an object; nil for an absent member and for anything but an object.
  public subscript(key: String) -> JSONValue? { object?[key] }

  /// The number, or null where there is none.
  public static func optional(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }

  /// The integer, or null where there is none.
  public static func optional(_ value: Int?) -> JSONValue { value.map { .integer($0) } ?? .null }

  /// What this is, for error messages, such as `the string "llama"` or `an array of 3`.
  public var summary: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .integer(let value): "the integer \(value)"
    case .number(let value): "the number \(value)"
    case .string(let value): "the string \"\(value.prefix(40))\(value.count > 40 ? "…" : "")\""
    case .array(let values): "an array of \(values.count)"
    case .object(let members): "an object with \(members.count) members"
    }
  }

  /// The text of this value with the members of objects in the order of their keys, so that equal values have equal
  /// text. Indented by two spaces as Hugging Face writes its files, without a final newline; or on one line.
  public func text(indented: Bool = true) -> String {
    var output = ""
    write(to: &output, indentation: indented ? 0 : nil)
    return output
  }

  private func write(to output: inout String, indentation: Int?) {
    func list<Elements: Collection>(
      _ open: String, _ close: String, _ elements: Elements, _ writeElement: (Elements.Element, Int?) -> Void
    ) {
      guard !elements.isEmpty else {
        output += open + close
        return
      }
      let inner = indentation.map { $0 + 2 }
      output += open
      for (i, element) in elements.enumerated() {
        if i > 0 { output += inner == nil ? ", " : "," }
        if let inner { output += "\n" + String(repeating: " ", count: inner) }
        writeElement(element, inner)
      }
      if let indentation { output += "\n" + String(repeating: " ", count: indentation) }
      output += close
    }
    switch self {
    case .null: output += "null"
    case .bool(let value): output += value ? "true" : "false"
    case .integer(let value): output += String(value)
    case .number(let value): output += value.isFinite ? value.description : "null"
    case .string(let value): JSONValue.quote(value, to: &output)
    case .array(let values):
      list("[", "]", values) { $0.write(to: &output, indentation: $1) }
    case .object(let members):
      list("{", "}", members.sorted { $0.key < $1.key }) { member, inner in
        JSONValue.quote(member.key, to: &output)
        output += ": "
        member.value.write(to: &output, indentation: inner)
      }
    }
  }

  private static func quote(_ string: String, to output: inout String) {
    output += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": output += "\\\""
      case "\\": output += "\\\\"
      case "\n": output += "\\n"
      case "\r": output += "\\r"
      case "\t": output += "\\t"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        output += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: output.unicodeScalars.append(scalar)
      }
    }
    output += "\""
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
