/// Writes JSON. Members of objects without an order are sorted by their keys, so that equal values have equal text.
/// Numbers are the shortest that read back exactly; infinities and NaN, which JSON lacks, become `null`.
struct JSONWriter {
  enum Layout {
    /// Indented by two spaces, as Hugging Face writes its files.
    case huggingFace
    /// Indented by two spaces, but lists of plain values on one line, and whole numbers without a fraction.
    case document
    case line
    /// One line without spaces; control characters are written by their numbers.
    case compact
    /// One line without spaces that may stand inside an HTML `<script>` element.
    case script
  }

  private let layout: Layout
  private var output = ""

  private var isTight: Bool { layout == .compact || layout == .script }

  private init(_ layout: Layout) { self.layout = layout }

  static func text(_ value: JSONValue, _ layout: Layout) -> String {
    var writer = JSONWriter(layout)
    let isIndented = layout == .huggingFace || layout == .document
    writer.write(value, indentation: isIndented ? 0 : nil)
    return writer.output
  }

  private mutating func write(_ value: JSONValue, indentation: Int?) {
    switch value {
    case .null: output += "null"
    case .bool(let value): output += value ? "true" : "false"
    case .integer(let value): output += String(value)
    case .number(let value): output += number(value)
    case .string(let value): quote(value)
    case .array(let values):
      let isPlain = layout == .document && values.allSatisfy(\.isPlain)
      list("[", "]", values, isPlain ? nil : indentation) { $0.write($1, indentation: $2) }
    case .object(let members):
      object(members.sorted { $0.key < $1.key }.map { JSONMember(key: $0.key, value: $0.value) }, indentation)
    case .members(let members): object(members, indentation)
    }
  }

  private mutating func object(_ members: [JSONMember], _ indentation: Int?) {
    list("{", "}", members, indentation) { writer, member, inner in
      writer.quote(member.key)
      writer.output += writer.isTight ? ":" : ": "
      writer.write(member.value, indentation: inner)
    }
  }

  /// Elements between brackets, each on its own line if there is an indentation.
  private mutating func list<Element>(
    _ open: String, _ close: String, _ elements: [Element], _ indentation: Int?,
    write: (inout JSONWriter, Element, Int?) -> Void
  ) {
    output += open
    let indentation = elements.isEmpty ? nil : indentation
    for (index, element) in elements.enumerated() {
      if index > 0 { output += indentation == nil && !isTight ? ", " : "," }
      if let indentation { output += "\n" + String(repeating: " ", count: indentation + 2) }
      write(&self, element, indentation.map { $0 + 2 })
    }
    if let indentation { output += "\n" + String(repeating: " ", count: indentation) }
    output += close
  }

  private func number(_ value: Double) -> String {
    guard value.isFinite else { return "null" }
    let isShort = layout == .document || isTight
    return isShort && value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : value.description
  }

  private mutating func quote(_ string: String) {
    output += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": output += "\\\""
      case "\\": output += "\\\\"
      case "\n" where layout != .compact: output += "\\n"
      case "\r" where layout != .compact: output += "\\r"
      case "\t" where layout != .compact: output += "\\t"
      case _ where scalar.value < 0x20 || isAwkward(scalar):
        let digits = String(scalar.value, radix: 16)
        output += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: output.unicodeScalars.append(scalar)
      }
    }
    output += "\""
  }

  /// True for a character that is allowed, but ends a line or a script for some readers.
  private func isAwkward(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "<", ">", "&": layout == .script
    case "\u{7F}", "\u{2028}", "\u{2029}": layout == .script || layout == .document
    default: false
    }
  }
}
