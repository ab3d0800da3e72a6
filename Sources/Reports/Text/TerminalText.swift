/// Text on a character grid.
enum TerminalText {
  enum Alignment { case left, right }

  enum Style: String {
    case bold = "1"
    case dim = "2"
    case green = "1;32"
    case cyan = "36"
  }

  /// Text in which no character can move the cursor or change the colours: control characters become `�`.
  static func safe(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { scalar in
          switch scalar.properties.generalCategory {
          case .control, .lineSeparator, .paragraphSeparator, .format: "\u{FFFD}"
          default: scalar
          }
        }))
  }

  /// Columns that a terminal gives to the text: 2 for East Asian wide characters and emoji, 0 for combining marks.
  static func columns(_ text: String) -> Int {
    text.reduce(0) { $0 + columns(of: $1) }
  }

  static func pad(_ text: String, to width: Int, _ alignment: Alignment) -> String {
    let space = String(repeating: " ", count: max(0, width - columns(text)))
    return alignment == .left ? text + space : space + text
  }

  /// At most `width` columns; what is cut off is replaced by `…`.
  static func truncate(_ text: String, to width: Int) -> String {
    guard columns(text) > width else { return text }
    guard width > 0 else { return "" }
    var kept = ""
    var used = 0
    for character in text {
      let more = columns(of: character)
      if used + more > width - 1 { break }
      kept.append(character)
      used += more
    }
    return kept + "…"
  }

  /// The text in lines of at most `width` columns, broken at spaces; a longer word has a line of its own.
  static func wrap(_ text: String, to width: Int) -> [String] {
    var lines: [String] = []
    for word in text.split(separator: " ") {
      if let last = lines.last, columns(last) + 1 + columns(String(word)) <= width {
        lines[lines.count - 1] = last + " " + word
      } else {
        lines.append(String(word))
      }
    }
    return lines.isEmpty ? [""] : lines
  }

  /// What stands between the cells of a line.
  static let gap = "  "

  /// The cells of a table's line, without spaces at its end.
  static func line(_ cells: [String]) -> String {
    String(cells.joined(separator: gap).reversed().drop { $0 == " " }.reversed())
  }

  /// Facts below each other: a name, and its text in as many lines as it takes.
  static func facts(_ facts: [(String, String)], width: Int, color: Bool) -> [String] {
    facts.flatMap { name, value in
      wrap(safe(value), to: max(20, width - 12)).enumerated().map { number, text in
        paint(pad(number == 0 ? name : "", to: 10, .left), .bold, color: color) + "  " + text
      }
    }
  }

  static func paint(_ text: String, _ style: Style?, color: Bool) -> String {
    guard color, let style, !text.isEmpty else { return text }
    return "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m"
  }

  private static func columns(of character: Character) -> Int {
    guard let first = character.unicodeScalars.first else { return 0 }
    switch first.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .control, .format: return 0
    default: break
    }
    let wide: [ClosedRange<UInt32>] = [
      0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
      0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F900...0x1F9FF, 0x20000...0x3FFFD,
    ]
    return wide.contains { $0.contains(first.value) } ? 2 : 1
  }
}
