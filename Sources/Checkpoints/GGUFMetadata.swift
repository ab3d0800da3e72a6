/// Access to GGUF metadata: values by key, in the type that the caller wants.
public protocol GGUFMetadata {
  /// Path of the file that holds the metadata, for messages.
  var metadataFile: String { get }
  var metadata: [String: GGUFValue] { get }
}

extension GGUFMetadata {
  // Required values throw `CheckpointError.missingKey` or `.wrongType`.

  public subscript(key: String) -> GGUFValue? { metadata[key] }

  public func string(_ key: String) throws -> String { try required(key, stringIfPresent(key)) }
  public func integer(_ key: String) throws -> Int { try required(key, integerIfPresent(key)) }
  public func float(_ key: String) throws -> Double { try required(key, floatIfPresent(key)) }
  public func strings(_ key: String) throws -> [String] { try required(key, stringsIfPresent(key)) }
  public func integers(_ key: String) throws -> [Int] { try required(key, integersIfPresent(key)) }

  // Optional values are nil if the key is absent; they throw `CheckpointError.wrongType`.

  public func stringIfPresent(_ key: String) throws -> String? { try typed(key, "a string") { $0.string } }
  public func integerIfPresent(_ key: String) throws -> Int? { try typed(key, "an integer") { $0.integer } }
  public func floatIfPresent(_ key: String) throws -> Double? { try typed(key, "a number") { $0.float } }
  public func boolIfPresent(_ key: String) throws -> Bool? { try typed(key, "a boolean") { $0.bool } }
  public func stringsIfPresent(_ key: String) throws -> [String]? {
    try typed(key, "an array of strings") { $0.array?.strings }
  }
  public func integersIfPresent(_ key: String) throws -> [Int]? {
    try typed(key, "an array of integers") { $0.array?.integers }
  }
  public func floatsIfPresent(_ key: String) throws -> [Double]? {
    try typed(key, "an array of numbers") { $0.array?.floats }
  }

  private func required<Value>(_ key: String, _ value: Value?) throws -> Value {
    guard let value else { throw CheckpointError.missingKey(file: metadataFile, key: key) }
    return value
  }

  private func typed<Value>(_ key: String, _ expected: String, _ read: (GGUFValue) -> Value?) throws -> Value? {
    try metadata[key].map { value in
      guard let result = read(value) else {
        throw CheckpointError.wrongType(file: metadataFile, key: key, expected: expected, found: value.summary)
      }
      return result
    }
  }
}
