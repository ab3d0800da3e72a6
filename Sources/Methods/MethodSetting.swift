/// A number or word that a method lets people choose.
public struct MethodSetting: Sendable, Equatable {
  public enum Kind: Sendable, Equatable {
    case integer(ClosedRange<Int>)
    case number(ClosedRange<Double>)
    case choice([String])
    /// Names separated by commas, each one of the given.
    case list([String])
  }

  public let name: String
  public let kind: Kind
  /// What holds where nothing is given; `auto` where it depends on the model.
  public let initial: String
  public let meaning: String

  public init(_ name: String, _ kind: Kind, initial: String, _ meaning: String) {
    self.name = name
    self.kind = kind
    self.initial = initial
    self.meaning = meaning
  }

  /// What values are allowed, in words.
  public var expected: String {
    switch kind {
    case .integer(let range): "a whole number between \(range.lowerBound) and \(range.upperBound)"
    case .number(let range): "a number between \(range.lowerBound) and \(range.upperBound)"
    case .choice(let choices): "one of \(choices.joined(separator: ", "))"
    case .list(let choices): "a list, separated by commas, of \(choices.joined(separator: ", "))"
    }
  }

  func accepts(_ value: String) -> Bool {
    if value == "auto" { return initial == "auto" }
    switch kind {
    case .integer(let range): return Int(value).map(range.contains) ?? false
    case .number(let range): return Double(value).map(range.contains) ?? false
    case .choice(let choices): return choices.contains(value)
    case .list(let choices):
      let parts = value.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      return parts.allSatisfy(choices.contains) && Set(parts).count == parts.count
    }
  }
}

/// The values of a method's settings, checked.
public struct SettingValues: Sendable, Equatable {
  /// Every setting with its value, in the words of the command line.
  public let described: [String: String]

  /// - Parameter assignments: `name=value` each; the rest keep their initial values.
  /// - Throws: `MethodError.notAnAssignment`, `.unknownSetting`, `.invalidSetting`.
  public init(of method: any PruningMethod, _ assignments: [String] = []) throws(MethodError) {
    var values: [String: String] = [:]
    for setting in method.settings { values[setting.name] = setting.initial }
    for assignment in assignments {
      let parts = assignment.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2, !parts[0].isEmpty else { throw .notAnAssignment(assignment) }
      guard let setting = method.settings.first(where: { $0.name == parts[0] }) else {
        throw .unknownSetting(method: method.name, setting: parts[0], known: method.settings.map(\.name))
      }
      guard setting.accepts(parts[1]) else {
        throw .invalidSetting(
          method: method.name, setting: setting.name, value: parts[1], expected: setting.expected)
      }
      values[setting.name] = parts[1]
    }
    described = values
  }

  /// `nil` for `auto`.
  func integer(_ name: String) -> Int? { described[name].flatMap { Int($0) } }
  func number(_ name: String) -> Double? { described[name].flatMap { Double($0) } }
  func text(_ name: String) -> String { described[name] ?? "" }
  func list(_ name: String) -> [String] { text(name).split(separator: ",").map(String.init) }
}
