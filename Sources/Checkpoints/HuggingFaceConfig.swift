import Foundation

/// A `config.json`, or one of the objects inside it, with typed access whose errors name the key and the file.
///
/// A key whose value is `null` counts as absent: that is how transformers writes defaults.
public struct HuggingFaceConfig: Sendable {
  /// Path of the file, for errors.
  public let file: String
  /// The members, as they were read.
  public let members: [String: JSONValue]
  /// Path of keys from the top of the file to this object, for errors; empty at the top.
  private let prefix: String
  /// The names that keys have in this file, if they have others.
  private var names: [String: String] = [:]
}

extension HuggingFaceConfig {
  /// Reads the file as Python does, which wrote it.
  /// - Throws: `CheckpointError.unreadable`, or `.malformed` if the file is not a JSON object.
  public init(_ url: URL) throws {
    try self.init(JSONValue.read(url, dialect: .python), file: url.path)
  }

  /// The `config.json` of a model folder.
  public init(directory: URL) throws {
    try self.init(directory.appendingPathComponent("config.json"))
  }

  /// - Throws: `CheckpointError.malformed` if the value is not an object.
  public init(_ value: JSONValue, file: String) throws {
    guard let members = value.object else {
      throw CheckpointError.malformed(file: file, problem: "it holds \(value.summary), not an object")
    }
    self.init(file: file, members: members, prefix: "")
  }

  /// The object as a value, to be changed and written again.
  public var json: JSONValue { .object(members) }

  /// The value of a key, or nil if it is absent or null.
  public subscript(key: String) -> JSONValue? {
    guard let value = members[name(of: key)], value != .null else { return nil }
    return value
  }

  /// The name of a key in this file.
  public func name(of key: String) -> String { names[key] ?? key }

  /// The same with other names of keys.
  ///
  /// - Parameters:
  ///   - names: names of keys in the file, by those that readers ask for.
  ///   - values: values of keys in place of those of the file, by their names in the file.
  public func reading(_ names: [String: String], values: [String: JSONValue]) -> HuggingFaceConfig {
    HuggingFaceConfig(file: file, members: members.merging(values) { $1 }, prefix: prefix, names: names)
  }

  public func contains(_ key: String) -> Bool { self[key] != nil }

  // MARK: Required values. Throw `CheckpointError.missingKey` or `.wrongType`.

  public func string(_ key: String) throws -> String { try required(key, stringIfPresent(key)) }
  public func integer(_ key: String) throws -> Int { try required(key, integerIfPresent(key)) }
  public func double(_ key: String) throws -> Double { try required(key, doubleIfPresent(key)) }
  public func array(_ key: String) throws -> [JSONValue] { try required(key, arrayIfPresent(key)) }
  public func section(_ key: String) throws -> HuggingFaceConfig { try required(key, sectionIfPresent(key)) }

  // MARK: Optional values. Nil if absent or null; throw `CheckpointError.wrongType`.

  public func stringIfPresent(_ key: String) throws -> String? { try typed(key, "a string", \.string) }
  public func integerIfPresent(_ key: String) throws -> Int? { try typed(key, "an integer", \.integer) }
  public func doubleIfPresent(_ key: String) throws -> Double? { try typed(key, "a number", \.double) }
  public func boolIfPresent(_ key: String) throws -> Bool? { try typed(key, "true or false", \.bool) }
  public func arrayIfPresent(_ key: String) throws -> [JSONValue]? { try typed(key, "a list", \.array) }

  public func stringsIfPresent(_ key: String) throws -> [String]? {
    try arrayIfPresent(key)?.enumerated().map { try typed($1, "\(key)[\($0)]", "a string", \.string) }
  }

  public func integersIfPresent(_ key: String) throws -> [Int]? {
    try arrayIfPresent(key)?.enumerated().map { try typed($1, "\(key)[\($0)]", "an integer", \.integer) }
  }

  /// An object inside this one, such as `rope_scaling`.
  public func sectionIfPresent(_ key: String) throws -> HuggingFaceConfig? {
    try typed(key, "an object", \.object).map {
      HuggingFaceConfig(file: file, members: $0, prefix: prefix + key + ".")
    }
  }

  private func required<Value>(_ key: String, _ value: Value?) throws -> Value {
    guard let value else { throw CheckpointError.missingKey(file: file, key: prefix + name(of: key)) }
    return value
  }

  private func typed<Value>(_ key: String, _ expected: String, _ read: (JSONValue) -> Value?) throws -> Value? {
    try self[key].map { try typed($0, key, expected, read) }
  }

  private func typed<Value>(
    _ value: JSONValue, _ key: String, _ expected: String, _ read: (JSONValue) -> Value?
  ) throws -> Value {
    guard let result = read(value) else {
      throw CheckpointError.wrongType(file: file, key: prefix + name(of: key), expected: expected, found: value.summary)
    }
    return result
  }
}
