/// A JSON document whose text depends on nothing but its content: keys sorted, shortest numbers that read back
/// exactly, lists of plain values on one line.
enum JSONValue: Equatable {
  case null
  case bool(Bool)
  case integer(Int)
  /// Infinities and NaN, which JSON lacks, are written as `null`.
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  static func optional(_ value: Double?) -> JSONValue { value.map(JSONValue.number) ?? .null }
  static func optional(_ value: Int?) -> JSONValue { value.map(JSONValue.integer) ?? .null }
  static func strings(_ values: [String]) -> JSONValue { .array(values.map(JSONValue.string)) }
  static func integers(_ values: [Int]) -> JSONValue { .array(values.map(JSONValue.integer)) }

  /// Indented by two spaces, for files.
  var pretty: String {
    var text = ""
    write(to: &text, indent: 0, script: false)
    return text + "\n"
  }

  /// One line that may stand inside an HTML `<script>` element: no `<`, `>`, `&` and no line separator is left bare,
  /// so neither `</script>` nor `<!--` can occur.
  var script: String {
    var text = ""
    write(to: &text, indent: nil, script: true)
    return text
  }

  private var isPlain: Bool {
    switch self {
    case .array, .object: false
    default: true
    }
  }

  private func write(to text: inout String, indent: Int?, script: Bool) {
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .integer(let value): text += String(value)
    case .number(let value): text += value.isFinite ? Self.number(value) : "null"
    case .string(let value): Self.write(value, to: &text, script: script)
    case .array(let items):
      let inner = items.allSatisfy(\.isPlain) ? nil : indent
      Self.write(items, brackets: ("[", "]"), to: &text, indent: inner, spaced: indent != nil) { item, text, deeper in
        item.write(to: &text, indent: deeper, script: script)
      }
    case .object(let members):
      let sorted = members.sorted { $0.key < $1.key }
      Self.write(sorted, brackets: ("{", "}"), to: &text, indent: indent, spaced: false) { member, text, deeper in
        Self.write(member.key, to: &text, script: script)
        text += indent == nil ? ":" : ": "
        member.value.write(to: &text, indent: deeper, script: script)
      }
    }
  }

  /// The items between brackets, each on its own line if there is an indent.
  private static func write<Item>(
    _ items: [Item], brackets: (String, String), to text: inout String, indent: Int?, spaced: Bool,
    item write: (Item, inout String, Int?) -> Void
  ) {
    text += brackets.0
    let indent = items.isEmpty ? nil : indent
    for (index, item) in items.enumerated() {
      if index > 0 { text += spaced && indent == nil ? ", " : "," }
      if let indent { text += "\n" + String(repeating: " ", count: indent + 2) }
      write(item, &text, indent.map { $0 + 2 })
    }
    if let indent { text += "\n" + String(repeating: " ", count: indent) }
    text += brackets.1
  }

  private static func number(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : "\(value)"
  }

  private static func write(_ string: String, to text: inout String, script: Bool) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\t": text += "\\t"
      case "\r": text += "\\r"
      case "<" where script, ">" where script, "&" where script, "\u{2028}", "\u{2029}": text += escape(scalar)
      case _ where scalar.value < 0x20 || scalar.value == 0x7F: text += escape(scalar)
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }

  private static func escape(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16)
    return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
  }
}
