import Checkpoints
import Foundation
import Search

/// Parameters as Optuna stores them.
enum OptunaDistribution {
  /// The distribution of a parameter, in the form Optuna stores beside each value.
  static func text(of variable: Variable) -> String {
    let (name, attributes): (JSONValue, [String: JSONValue]) =
      switch variable.domain {
      case .integer(let low, let high, let step):
        ("IntDistribution", ["log": false, "low": .integer(low), "high": .integer(high), "step": .integer(step)])
      case .categorical(let choices):
        ("CategoricalDistribution", ["choices": .array(choices.map(JSONValue.string))])
      }
    return JSONValue.object(["name": name, "attributes": .object(attributes)]).compact
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
    let digits = fields.dropFirst(6).joined()
    // Digits only: an exponent would give another time, or none.
    guard numbers.count == 6, fields.count <= 7, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let fraction = Double("0.\(digits)0")
    else { return nil }
    var parts = tm(
      tm_sec: numbers[5], tm_min: numbers[4], tm_hour: numbers[3], tm_mday: numbers[2], tm_mon: numbers[1] - 1,
      tm_year: numbers[0] - 1900, tm_wday: 0, tm_yday: 0, tm_isdst: -1, tm_gmtoff: 0, tm_zone: nil)
    return Date(timeIntervalSince1970: Double(mktime(&parts)) + fraction)
  }
}
