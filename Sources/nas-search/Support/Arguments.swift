import ArgumentParser
import Foundation
import Search

/// `200`, `30m`, `2h`, `90s`, or an amount and a time joined by a comma: whichever ends first.
struct BudgetArgument: ExpressibleByArgument {
  let budget: SearchBudget
  /// Seconds: a hundred years. Who asks for more has mistyped.
  static let longest = 3.2e9

  init?(argument: String) {
    var evaluations: Int?
    var seconds: Double?
    for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
      let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600]
      if let count = Int(part), count > 0, evaluations == nil {
        evaluations = count
      } else if let last = part.last, let unit = units[last], let amount = Double(part.dropLast()), amount > 0,
        amount * unit <= Self.longest, seconds == nil
      {
        seconds = amount * unit
      } else {
        return nil
      }
    }
    budget = SearchBudget(evaluations: evaluations, seconds: seconds)
  }
}

/// A number of parameters: `110M`, `1.5B` (billions), or a plain number.
struct ParameterCount: ExpressibleByArgument {
  let value: Int

  init?(argument: String) {
    guard let value = Amount.value(of: argument, units: [("B", 1e9), ("M", 1e6), ("K", 1e3), ("", 1)]) else {
      return nil
    }
    self.value = value
  }
}

/// Values separated by commas.
struct ListArgument<Value: ExpressibleByArgument>: ExpressibleByArgument {
  let values: [Value]

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    values = parts.compactMap { Value(argument: String($0)) }
    if values.count < parts.count { return nil }
  }
}

/// A number of bytes: `4GiB`, `500MB`, `500B`, or a plain number.
struct ByteCount: ExpressibleByArgument {
  let value: Int

  init?(argument: String) {
    let units: [(String, Double)] = [
      ("GiB", 1_073_741_824), ("MiB", 1_048_576), ("KiB", 1024), ("GB", 1e9), ("MB", 1e6), ("KB", 1e3), ("B", 1),
      ("", 1),
    ]
    guard let value = Amount.value(of: argument, units: units) else { return nil }
    self.value = value
  }
}

private enum Amount {
  /// - Parameter units: suffixes and what they stand for; a suffix that ends with another one comes before it.
  static func value(of argument: String, units: [(suffix: String, scale: Double)]) -> Int? {
    // Numbers in base 16 would be taken for others: 0x10 ends with no unit, 0x1B with one.
    guard !argument.lowercased().hasPrefix("0x"),
      let (suffix, scale) = units.first(where: { argument.hasSuffix($0.suffix) }),
      let number = Double(argument.dropLast(suffix.count)), (1..<9e18).contains((number * scale).rounded())
    else { return nil }
    return Int((number * scale).rounded())
  }
}

/// Numbers separated by commas.
enum NumberList {
  /// - Returns: nothing if a part is no number.
  static func numbers<Number: LosslessStringConvertible>(_ text: String) -> [Number] {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { Number(String($0)) }
    return parts.contains { $0 == nil } ? [] : parts.compactMap { $0 }
  }
}

/// Where statistics are kept between runs.
enum CacheFolder {
  static func url(_ option: String?) -> URL {
    let environment = ProcessInfo.processInfo.environment
    if let path = option ?? environment["NAS_SEARCH_CACHE"] { return URL(fileURLWithPath: path) }
    let base =
      environment["XDG_CACHE_HOME"].map { URL(fileURLWithPath: $0) }
      ?? FileManager.default.homeDirectoryForCurrentUser.appendingPathComponent(".cache")
    return base.appendingPathComponent("nas-search")
  }
}
