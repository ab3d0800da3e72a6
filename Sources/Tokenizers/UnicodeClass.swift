/// The four classes into which the pre-tokenizers' patterns divide all characters: `\p{L}`, `\p{N}`, `\s` and the rest.
///
/// The reference implementation matches its patterns with the categories of Unicode 16. Characters assigned later are
/// "other" there. They are here, too, with any Unicode version of the Swift runtime.
enum UnicodeClass: UInt8 {
  case other, letter, number, space

  private static let patternVersion = 16
  /// The reference's `Digits` splitter reads its own, newer table.
  private static let digitsVersion = 17

  /// The class of every scalar of the Basic Multilingual Plane, as raw values.
  static let basicPlane: [UInt8] = (UInt32(0)..<0x10000).map(computed)

  /// The class of any scalar, as a raw value.
  static func computed(_ value: UInt32) -> UInt8 {
    Unicode.Scalar(value).map { compute($0.properties).rawValue } ?? UnicodeClass.other.rawValue
  }

  private static func compute(
    _ properties: Unicode.Scalar.Properties, by version: Int = patternVersion
  ) -> UnicodeClass {
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
      return isAssigned(properties, by: version) ? .letter : .other
    case .decimalNumber, .letterNumber, .otherNumber:
      return isAssigned(properties, by: version) ? .number : .other
    default:
      return properties.isWhitespace ? .space : .other
    }
  }

  static func isAssigned(_ properties: Unicode.Scalar.Properties, by version: Int) -> Bool {
    (properties.age?.major ?? .max) <= version
  }

  /// Whether the `Digits` splitter takes the scalar for a digit: categories Nd, Nl and No.
  static func isNumeric(_ value: UInt32) -> Bool {
    if value < 0x80 { return value >= 0x30 && value <= 0x39 }
    return Unicode.Scalar(value).map { compute($0.properties, by: digitsVersion) == .number } ?? false
  }

  /// `\p{N}`.
  static func isNumber(_ value: UInt32) -> Bool {
    (value < 0x10000 ? basicPlane[Int(value)] : computed(value)) == number.rawValue
  }

  /// `[\p{P}\$\+<=>\^~\|]`: all of ASCII's marks but the backtick, and the punctuation of other scripts.
  static func isPunctuationRun(_ value: UInt32) -> Bool {
    if value < 0x80 { return value > 0x20 && value < 0x7F && value != 0x60 && basicPlane[Int(value)] == other.rawValue }
    guard let properties = Unicode.Scalar(value)?.properties, isAssigned(properties, by: patternVersion) else {
      return false
    }
    switch properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
      .finalPunctuation, .otherPunctuation:
      return true
    default:
      return false
    }
  }

  /// `\w` of the reference's check for whole words: Alphabetic, marks, Nd, Pc and the join controls.
  static func isWord(_ value: UInt32) -> Bool {
    guard let properties = Unicode.Scalar(value)?.properties, isAssigned(properties, by: patternVersion) else {
      return false
    }
    if properties.isAlphabetic || properties.isJoinControl { return true }
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
    default: return false
    }
  }

  static func isSpace(_ value: UInt32) -> Bool {
    Unicode.Scalar(value)?.properties.isWhitespace ?? false
  }
}
