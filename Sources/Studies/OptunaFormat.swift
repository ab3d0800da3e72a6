import Foundation
import Search

/// Parameters as Optuna stores them.
enum OptunaDistribution {
  /// The distribution of a parameter, in the form Optuna stores beside each value.
  static func text(of variable: Variable) throws(StudyError) -> String {
    switch variable.domain {
    case .integer(let low, let high, let step):
      try JSONText.encode(Distribution(name: "IntDistribution", attributes: .init(low: low, high: high, step: step)))
    case .categorical(let choices):
      try JSONText.encode(Distribution(name: "CategoricalDistribution", attributes: .init(choices: choices)))
    }
  }

  private struct Distribution: Encodable {
    let name: String
    let attributes: Attributes

    struct Attributes: Encodable {
      var log: Bool?
      var low: Int?
      var high: Int?
      var step: Int?
      var choices: [String]?

      init(low: Int, high: Int, step: Int) {
        log = false
        self.low = low
        self.high = high
        self.step = step
      }

      init(choices: [String]) {
        self.choices = choices
      }
    }
  }
}

/// Objective values as Optuna stores them: infinities by name, because not every database holds them as numbers.
enum OptunaValue {
  /// The two columns of a value; the value must not be NaN.
  static func columns(_ value: Double) -> (value: Double?, type: String) {
    if value.isFinite { return (value, "FINITE") }
    return (nil, value > 0 ? "INF_POS" : "INF_NEG")
  }

  static func value(_ value: Double?, type: String) -> Double? {
    switch type {
    case "FINITE": value
    case "INF_POS": .infinity
    case "INF_NEG": -.infinity
    default: nil
    }
  }
}

/// Times as Optuna stores them: local time without a zone, to the microsecond, `2026-05-31 13:45:01.000250`.
enum OptunaDate {
  static func text(_ date: Date) -> String {
    let microseconds = Int64((date.timeIntervalSince1970 * 1e6).rounded())
    let (seconds, fraction) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
    var clock = time_t(fraction < 0 ? seconds - 1 : seconds)
    var parts = tm()
    localtime_r(&clock, &parts)
    return String(
      format: "%04d-%02d-%02d %02d:%02d:%02d.%06d", Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1,
      Int(parts.tm_mday), Int(parts.tm_hour), Int(parts.tm_min), Int(parts.tm_sec),
      Int(fraction < 0 ? fraction + 1_000_000 : fraction))
  }

  /// `nil` if the text is not a time in this form. The fraction may be missing.
  static func date(_ text: String) -> Date? {
    let fields = text.split(whereSeparator: { "- :.".contains($0) })
    let numbers = fields.prefix(6).compactMap { Int32($0) }
    guard numbers.count == 6, fields.count <= 7 else { return nil }
    var parts = tm()
    parts.tm_year = numbers[0] - 1900
    parts.tm_mon = numbers[1] - 1
    parts.tm_mday = numbers[2]
    parts.tm_hour = numbers[3]
    parts.tm_min = numbers[4]
    parts.tm_sec = numbers[5]
    parts.tm_isdst = -1
    let seconds = Double(mktime(&parts))
    guard fields.count == 7 else { return Date(timeIntervalSince1970: seconds) }
    // Digits only: an exponent would give another time, or none.
    guard fields[6].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let fraction = Double("0." + fields[6]) else {
      return nil
    }
    return Date(timeIntervalSince1970: seconds + fraction)
  }
}
