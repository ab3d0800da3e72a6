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
struct ParameterCount {
  let value: Int

  private static let units: [Amount.Unit] = [("B", 1e9), ("M", 1e6), ("K", 1e3), ("", 1)]

  /// - Throws: `ValidationError` that names the units.
  @Sendable static func read(_ argument: String) throws -> ParameterCount {
    ParameterCount(value: try Amount.value(of: argument, units: units, kind: "parameters"))
  }
}

/// A number of bytes: `4GiB`, `500MB`, `500B`, or a plain number.
struct ByteCount {
  let value: Int

  private static let units: [Amount.Unit] = [
    ("GiB", 1_073_741_824), ("MiB", 1_048_576), ("KiB", 1024), ("GB", 1e9), ("MB", 1e6), ("KB", 1e3), ("B", 1), ("", 1),
  ]

  /// - Throws: `ValidationError` that names the units.
  @Sendable static func read(_ argument: String) throws -> ByteCount {
    ByteCount(value: try Amount.value(of: argument, units: units, kind: "bytes"))
  }
}

private enum Amount {
  typealias Unit = (suffix: String, scale: Double)

  /// - Parameters:
  ///   - units: suffixes and what they stand for; a suffix that ends with another one comes before it.
  ///   - kind: things that are counted.
  static func value(of argument: String, units: [Unit], kind: String) throws -> Int {
    // Numbers in base 16 would be taken for others: 0x10 ends with no unit, 0x1B with one.
    guard !argument.lowercased().hasPrefix("0x"),
      let (suffix, scale) = units.first(where: { argument.hasSuffix($0.suffix) }),
      let number = Double(argument.dropLast(suffix.count)), (1..<9e18).contains((number * scale).rounded())
    else {
      let known = units.map(\.suffix).filter { !$0.isEmpty }.joined(separator: ", ")
      throw ValidationError("a number of \(kind), one or more, has one of these units, or none: \(known)")
    }
    return Int((number * scale).rounded())
  }
}

/// Values separated by commas.
struct ListArgument<Value> {
  let values: [Value]

  /// - Throws: what `read` throws for a part.
  init(_ argument: String, _ read: (String) throws -> Value) throws {
    values = try argument.split(separator: ",", omittingEmptySubsequences: false).map { try read(String($0)) }
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
