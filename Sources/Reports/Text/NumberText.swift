import Evaluation
import Foundation

/// Numbers as people read them, the same on every machine: no locale, a full stop for decimals, an en dash for what is
/// not known.
enum NumberText {
  static let unknown = "–"

  /// Fixed decimals, for example `fixed(0.7981, 2)` is `0.80`.
  static func fixed(_ value: Double?, _ decimals: Int) -> String {
    guard let value, !value.isNaN else { return unknown }
    guard value.isFinite else { return value > 0 ? "∞" : "−∞" }
    let text = String(format: "%.\(decimals)f", value)
    return text.contains(where: { $0 != "-" && $0 != "0" && $0 != "." }) ? text : text.replacing("-", with: "")
  }

  /// Three significant digits without trailing zeros, powers of ten outside 0.0001 ..< 100 000.
  static func significant(_ value: Double?, digits: Int = 3) -> String {
    guard let value, value.isFinite, value != 0 else { return value == 0 ? "0" : fixed(value, 0) }
    let rounded = Double(String(format: "%.\(digits - 1)e", value)) ?? value
    let size = abs(rounded)
    guard size >= 1e-4, size < 1e5 else { return scientific(rounded, decimals: 1) }
    let decimals = max(0, digits - 1 - Int(log10(size).rounded(.down)))
    return trimmed(rounded, decimals)
  }

  /// Fixed decimals without trailing zeros.
  static func trimmed(_ value: Double, _ decimals: Int) -> String {
    let text = fixed(value, decimals)
    guard text.contains(".") else { return text }
    return String(text.reversed().drop { $0 == "0" }.drop { $0 == "." }.reversed())
  }

  /// KL divergence in a table: four decimals while that says enough.
  static func kl(_ value: Double?) -> String {
    guard let value, value.isFinite else { return fixed(value, 0) }
    switch abs(value) {
    case 0: return "0"
    case ..<0.000_05: return scientific(value, decimals: 1)
    case ..<9.999_95: return fixed(value, 4)
    default: return large(value)
    }
  }

  /// A value of an objective as its style says.
  static func value(_ value: Double?, _ style: NumberStyle) -> String {
    switch style {
    case .divergence: kl(value)
    case .large: large(value)
    case .share: percent(value)
    case .count: value.flatMap { Int(exactly: $0.rounded()) }.map(short) ?? fixed(value, 0)
    case .bytes: bytes(value.flatMap { Int(exactly: $0.rounded()) })
    case .time: time(nanoseconds: value)
    case .plain: significant(value, digits: 4)
    }
  }

  /// The same with its standard error, if it has one.
  static func value(_ value: Double?, _ style: NumberStyle, error: Double?) -> String {
    let text = self.value(value, style)
    guard let error, error.isFinite, value != nil else { return text }
    guard style == .share else { return text + " ± " + significant(error, digits: 2) }
    return text.replacing(" %", with: "") + " ± " + percent(error)
  }

  /// Perplexity, or a multiple of one: two decimals, powers of ten from 100 000.
  static func large(_ value: Double?) -> String {
    guard let value, value.isFinite else { return fixed(value, 0) }
    return abs(value) < 99_999.995 ? fixed(value, 2) : scientific(value, decimals: 2)
  }

  /// `0.798` as `79.8 %`.
  static func percent(_ share: Double?, decimals: Int = 1) -> String {
    guard let share, share.isFinite else { return unknown }
    return fixed(share * 100, decimals) + " %"
  }

  /// A count with commas between thousands.
  static func grouped(_ count: Int) -> String {
    String(count).replacing(#/([0-9])(?=([0-9]{3})+$)/#) { "\($0.1)," }
  }

  /// A count in thousands, millions or billions with one decimal: `134.5 M`.
  static func short(_ count: Int) -> String {
    var value = Double(count)
    guard abs(value) >= 1000 else { return String(count) }
    for unit in ["k", "M", "B"] {
      value /= 1000
      if abs(value) < 999.95 { return fixed(value, 1) + " " + unit }
    }
    return fixed(value / 1000, 1) + " T"
  }

  /// Bytes in decimal megabytes, gigabytes or terabytes: `850 MB`, `1.24 GB`.
  static func bytes(_ count: Int?) -> String {
    guard let count, count >= 0 else { return unknown }
    let megabytes = Double(count) / 1e6
    switch megabytes {
    case ..<9.95: return fixed(megabytes, 1) + " MB"
    case ..<999.5: return fixed(megabytes, 0) + " MB"
    case ..<999_995: return fixed(megabytes / 1e3, 2) + " GB"
    default: return fixed(megabytes / 1e6, 2) + " TB"
    }
  }

  /// A short time with four significant digits: `12.34 ms`.
  static func time(nanoseconds: Double?) -> String {
    guard let nanoseconds, nanoseconds.isFinite else { return unknown }
    let (unit, name) =
      abs(nanoseconds) < 999_950 ? (1e3, "µs") : abs(nanoseconds) < 999_950_000 ? (1e6, "ms") : (1e9, "s")
    return significant(nanoseconds / unit, digits: 4) + " " + name
  }

  /// `7 min 41 s`; hours and days drop the seconds.
  static func duration(_ seconds: Double?) -> String {
    guard let seconds, seconds.isFinite, seconds >= 0, seconds < 1e12 else { return unknown }
    if seconds < 9.95 { return fixed(seconds, 1) + " s" }
    let whole = Int(seconds.rounded())
    switch whole {
    case ..<60: return "\(whole) s"
    case ..<3600: return "\(whole / 60) min \(whole % 60) s"
    case ..<86_400: return "\(whole / 3600) h \(whole % 3600 / 60) min"
    default: return "\(whole / 86_400) d \(whole % 86_400 / 3600) h"
    }
  }

  /// `07:12`, and `1:07:12` from an hour.
  static func clock(_ seconds: Double?) -> String {
    guard let seconds, seconds.isFinite, seconds >= 0, seconds < 1e12 else { return "--:--" }
    let whole = Int(seconds.rounded())
    let tail = String(format: "%02d:%02d", whole % 3600 / 60, whole % 60)
    return whole < 3600 ? tail : "\(whole / 3600):" + tail
  }

  /// `2026-11-23 20:44 UTC`.
  static func moment(_ date: Date) -> String {
    let text = ISO8601DateFormatter.string(
      from: date, timeZone: .gmt, formatOptions: [.withFullDate, .withTime, .withColonSeparatorInTime])
    return text.prefix(16).replacing("T", with: " ") + " UTC"
  }

  /// `1.2e-5`, `3.40e8`.
  private static func scientific(_ value: Double, decimals: Int) -> String {
    let parts = String(format: "%.\(decimals)e", value).split(separator: "e")
    guard parts.count == 2, let exponent = Int(parts[1]) else { return fixed(value, decimals) }
    return "\(parts[0])e\(exponent)"
  }
}
