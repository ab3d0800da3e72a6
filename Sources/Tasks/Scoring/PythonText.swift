/// Operations on text as Python has them: by code points, with its idea of white space.
extension String {
  private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
  }

  /// `str.rstrip()`
  var trimmingEnd: String {
    let scalars = unicodeScalars
    var end = scalars.endIndex
    while end > scalars.startIndex, Self.isSpace(scalars[scalars.index(before: end)]) {
      end = scalars.index(before: end)
    }
    return String(scalars[..<end])
  }

  /// `str.lstrip()`
  var trimmingStart: String { String(unicodeScalars.drop(while: Self.isSpace)) }

  /// `str.strip()`
  var trimmed: String { trimmingStart.trimmingEnd }

  /// `len(str)`
  var codePoints: Int { unicodeScalars.count }

  /// `str.capitalize()`: the first code point in title case, the others in lower case.
  var capitalizedOnce: String {
    guard let first = unicodeScalars.first else { return self }
    return first.properties.titlecaseMapping + String(unicodeScalars.dropFirst()).lowercased()
  }

  /// `str.replace(old, new)`, code point by code point.
  func replacingScalars(_ old: String, with new: String) -> String {
    let (wanted, scalars) = (Array(old.unicodeScalars), Array(unicodeScalars))
    var result = String.UnicodeScalarView()
    var place = 0
    while place < scalars.count {
      if !wanted.isEmpty, scalars[place...].starts(with: wanted) {
        result.append(contentsOf: new.unicodeScalars)
        place += wanted.count
      } else {
        result.append(scalars[place])
        place += 1
      }
    }
    return String(result)
  }

  /// The parts before and after the first of a code point; `nil` if there is none.
  func split(atFirst mark: Unicode.Scalar) -> (before: String, after: String)? {
    guard let place = unicodeScalars.firstIndex(of: mark) else { return nil }
    return (String(unicodeScalars[..<place]), String(unicodeScalars[unicodeScalars.index(after: place)...]))
  }
}
