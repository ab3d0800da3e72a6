/// A piece of HTML or SVG. Text becomes markup only by being escaped: string literals and interpolations are text,
/// attribute values are escaped, and `raw` is reserved for the page's own styles and script.
struct Markup: Equatable, ExpressibleByStringInterpolation {
  private(set) var source: String

  static let empty = Markup(raw: "")

  init(stringLiteral value: String) { source = Self.escape(value) }

  init(_ text: String) { source = Self.escape(text) }

  /// Text for people, in which a number stays on one line with its unit.
  init(prose text: String) { self.init(ReportWords.tied(text)) }

  init(raw source: String) { self.source = source }

  /// An element with its attributes in the given order; attributes without a value (`nil`) are left out.
  static func element(
    _ name: String, _ attributes: KeyValuePairs<String, String?> = [:], _ children: [Markup]
  ) -> Markup {
    var source = "<" + name
    for (key, value) in attributes {
      if let value { source += " \(key)=\"\(escape(value))\"" }
    }
    source += ">"
    if !voidElements.contains(name) {
      for child in children { source += child.source }
      source += "</\(name)>"
    }
    return Markup(raw: inlineElements.contains(name) ? source : source + "\n")
  }

  static func element(
    _ name: String, _ attributes: KeyValuePairs<String, String?> = [:], _ children: Markup...
  ) -> Markup {
    element(name, attributes, children)
  }

  static func + (left: Markup, right: Markup) -> Markup { Markup(raw: left.source + right.source) }

  /// Safe as text and inside a double-quoted attribute. Characters that HTML does not allow become `�`.
  static func escape(_ text: String) -> String {
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      case "\n", "\t": result.unicodeScalars.append(scalar)
      case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value): result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static let voidElements: Set<String> = ["br", "link", "meta"]
  private static let inlineElements: Set<String> = [
    "a", "abbr", "b", "button", "code", "label", "pre", "small", "span", "strong", "title", "tspan",
  ]
}

extension Array where Element == Markup {
  func joined() -> Markup { Markup(raw: map(\.source).joined()) }
}
