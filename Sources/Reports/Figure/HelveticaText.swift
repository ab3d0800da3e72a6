/// Text in Helvetica, one of the fonts that every reader of PDF has: its bytes (WinAnsiEncoding) and its widths, which are those of
/// Adobe's metrics of the font.
enum HelveticaText {
  /// Thousandths of the size, from the space (32) to the tilde (126).
  private static let widths = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
    556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
    260, 334, 584,
  ]
  /// Other characters of reports: their bytes and widths.
  private static let others: [Unicode.Scalar: (byte: UInt8, width: Int)] = [
    "\u{A0}": (0xA0, 278), "×": (0xD7, 584), "µ": (0xB5, 556), "±": (0xB1, 584), "–": (0x96, 556), "−": (0x96, 556),
    "’": (0x92, 222), "“": (0x93, 333), "”": (0x94, 333), "…": (0x85, 1000), "·": (0xB7, 278),
  ]

  private static func glyph(_ scalar: Unicode.Scalar) -> (byte: UInt8, width: Int) {
    if (32...126).contains(scalar.value) { return (UInt8(scalar.value), widths[Int(scalar.value) - 32]) }
    return others[scalar] ?? (UInt8(ascii: "?"), 556)
  }

  /// The width of a line in points.
  static func width(_ text: String, size: Double) -> Double {
    Double(text.unicodeScalars.reduce(0) { $0 + glyph($1).width }) * size / 1000
  }

  /// The text as a string of PDF; characters that it lacks become `?`.
  static func literal(_ text: String) -> String {
    let parts = text.unicodeScalars.map { scalar -> String in
      let byte = glyph(scalar).byte
      switch byte {
      case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "\\"): return "\\" + String(UnicodeScalar(byte))
      case 32...126: return String(UnicodeScalar(byte))
      default:
        let octal = String(byte, radix: 8)
        return "\\" + String(repeating: "0", count: 3 - octal.count) + octal
      }
    }
    return "(" + parts.joined() + ")"
  }
}
