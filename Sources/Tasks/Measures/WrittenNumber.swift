/// Numbers in solutions, as GSM8K's filters in the Language Model Evaluation Harness find and compare them.
enum WrittenNumber {
  private static let mark = Array("#### ".unicodeScalars)
  /// What stands for a number that is not there.
  private static let none = "[invalid]"

  private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { (0x30...0x39).contains(scalar.value) }
  private static func isPart(_ scalar: Unicode.Scalar) -> Bool { isDigit(scalar) || scalar == "." || scalar == "," }

  private static func text(_ scalars: some Sequence<Unicode.Scalar>) -> String {
    String(String.UnicodeScalarView(scalars))
  }

  /// The first number behind `#### `.
  static func strict(_ text: String) -> String {
    let scalars = Array(text.unicodeScalars)
    for start in scalars.indices where scalars[start...].starts(with: mark) {
      let rest = scalars[(start + mark.count)...]
      let sign = rest.prefix { $0 == "-" }.prefix(1)
      let digits = rest.dropFirst(sign.count).prefix(while: isPart)
      if !digits.isEmpty { return self.text(sign + digits) }
    }
    return none
  }

  /// The last run of digits, points, commas and dollar signs that has at least two of them or is a digit.
  static func flexible(_ text: String) -> String {
    let scalars = Array(text.unicodeScalars)
    var (place, last) = (0, none)
    while place < scalars.count {
      let sign = scalars[place] == "-" ? 1 : 0
      let rest = scalars[(place + sign)...]
      let run = rest.prefix { isPart($0) || $0 == "$" }
      let found = run.count >= 2 ? run : rest.prefix(while: isDigit)
      if found.isEmpty {
        place += 1
      } else {
        last = self.text(scalars[place..<found.endIndex])
        place = found.endIndex
      }
    }
    return last
  }

  /// A number without what does not count: commas, dollar signs, a solution before `#### `, a point at the end, capital letters.
  static func plain(_ text: String) -> String {
    var scalars = Array(text.unicodeScalars.filter { $0 != "," && $0 != "$" })
    if let start = scalars.indices.last(where: { scalars[$0...].starts(with: mark) }) {
      scalars.removeFirst(start + mark.count)
    }
    if scalars.last == "." {
      scalars.removeLast()
    } else if scalars.last == "\n", scalars.dropLast().last == "." {
      scalars.remove(at: scalars.count - 2)
    }
    return self.text(scalars).lowercased()
  }
}
