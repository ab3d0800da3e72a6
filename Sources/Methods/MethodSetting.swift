/// The settings of a method: a structure whose initial values are the defaults, with a field for each that is a setting.
public protocol MethodSettings: Sendable, Equatable {
  init()
  static var fields: [SettingField<Self>] { get }
}

/// A setting as the command line knows it: its name, where its value lies, and which values are allowed.
public struct SettingField<Settings> {
  let name: String
  /// What values are allowed, in words.
  let expected: String
  let meaning: String
  let text: (Settings) -> String
  /// Takes a value; `false` if it is not allowed.
  let take: (inout Settings, String) -> Bool

  private init<Value>(
    _ name: String, _ path: WritableKeyPath<Settings, Value>, _ expected: String, _ meaning: String,
    text: @escaping (Value) -> String, value: @escaping (String) -> Value?
  ) {
    (self.name, self.expected, self.meaning) = (name, expected, meaning)
    self.text = { text($0[keyPath: path]) }
    take = { settings, text in
      guard let value = value(text) else { return false }
      settings[keyPath: path] = value
      return true
    }
  }

  static func number<Value: LosslessStringConvertible & Comparable & Sendable>(
    _ name: String, _ path: WritableKeyPath<Settings, Value>, _ range: ClosedRange<Value>, _ meaning: String
  ) -> Self {
    Self(
      name, path, words(range), meaning, text: words,
      value: { Value($0).flatMap { range.contains($0) ? $0 : nil } })
  }

  /// `auto` is `nil`: it depends on the model.
  static func number<Value: LosslessStringConvertible & Comparable & Sendable>(
    _ name: String, _ path: WritableKeyPath<Settings, Value?>, _ range: ClosedRange<Value>, _ meaning: String
  ) -> Self {
    Self(
      name, path, words(range), meaning, text: { $0.map(words) ?? "auto" },
      value: { $0 == "auto" ? .some(nil) : Value($0).flatMap { range.contains($0) ? .some($0) : nil } })
  }

  static func choice<Value: RawRepresentable<String> & Equatable & Sendable>(
    _ name: String, _ path: WritableKeyPath<Settings, Value>, _ choices: [Value], _ meaning: String
  ) -> Self { choice(name, path, named: choices.map { ($0.rawValue, $0) }, meaning) }

  static func choice<Value: Equatable & Sendable>(
    _ name: String, _ path: WritableKeyPath<Settings, Value>, named choices: [(name: String, value: Value)],
    _ meaning: String
  ) -> Self {
    Self(
      name, path, "one of \(choices.map(\.name).joined(separator: ", "))", meaning,
      text: { value in choices.first { $0.value == value }?.name ?? "\(value)" },
      value: { text in choices.first { $0.name == text }?.value })
  }

  /// Names separated by commas.
  static func list(
    _ name: String, _ path: WritableKeyPath<Settings, [String]>, _ choices: [String], _ meaning: String
  ) -> Self {
    Self(
      name, path, words(choices), meaning, text: { $0.joined(separator: ",") }, value: { names($0, of: choices) })
  }

  /// Names separated by commas; `auto` is `nil`: they depend on something else.
  static func list(
    _ name: String, _ path: WritableKeyPath<Settings, [String]?>, _ choices: [String], _ meaning: String
  ) -> Self {
    Self(
      name, path, words(choices), meaning, text: { $0.map { $0.joined(separator: ",") } ?? "auto" },
      value: { $0 == "auto" ? .some(nil) : names($0, of: choices) })
  }

  private static func names(_ text: String, of choices: [String]) -> [String]? {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    return parts.allSatisfy(choices.contains) && Set(parts).count == parts.count ? parts : nil
  }

  private static func words(_ choices: [String]) -> String {
    "a list, separated by commas, of \(choices.joined(separator: ", "))"
  }

  private static func words<Number>(_ range: ClosedRange<Number>) -> String {
    "a \(Number.self == Int.self ? "whole " : "")number between \(range.lowerBound) and \(range.upperBound)"
  }

  private static func words(_ number: some LosslessStringConvertible) -> String {
    // 3, not 3.0.
    if let number = number as? Double, number == number.rounded(), abs(number) < 1e9 { return "\(Int(number))" }
    return "\(number)"
  }
}

/// A setting of a method as listings have it.
public struct MethodSetting: Sendable, Equatable {
  public let name: String
  /// What holds if nothing is given; `auto` if it depends on the model.
  public let initial: String
  /// What values are allowed, in words.
  public let expected: String
  public let meaning: String
}

/// The values of a method's settings, checked.
public struct SettingValues: Sendable, Equatable {
  /// Every setting with its value, in the words of the command line.
  public let described: [String: String]

  /// - Parameter assignments: `name=value` each; the rest keep their initial values.
  /// - Throws: `MethodError.notAnAssignment`, `.unknownSetting`, `.invalidSetting`.
  public init<Method: PruningMethod>(of method: Method, _ assignments: [String] = []) throws(MethodError) {
    let fields = Method.Settings.fields
    var settings = Method.Settings()
    for assignment in assignments {
      let parts = assignment.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2, !parts[0].isEmpty else { throw .notAnAssignment(assignment) }
      guard let field = fields.first(where: { $0.name == parts[0] }) else {
        throw .unknownSetting(method: method.name, setting: parts[0], known: fields.map(\.name))
      }
      guard field.take(&settings, parts[1]) else {
        throw .invalidSetting(method: method.name, setting: field.name, value: parts[1], expected: field.expected)
      }
    }
    described = Dictionary(uniqueKeysWithValues: fields.map { ($0.name, $0.text(settings)) })
  }

  /// The values as a method reads them.
  func settings<Settings: MethodSettings>(_: Settings.Type = Settings.self) -> Settings {
    var settings = Settings()
    for field in Settings.fields {
      let isTaken = described[field.name].map { field.take(&settings, $0) } ?? false
      precondition(isTaken, "'\(field.name)' was checked with the settings of another method")
    }
    return settings
  }
}
