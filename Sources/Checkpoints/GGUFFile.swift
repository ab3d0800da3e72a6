import Foundation

/// A GGUF file, mapped.
///
/// Format: `GGUF`, version, number of tensors, number of metadata entries, the entries (key, type, value), the tensors'
/// descriptions (name, dimensions from the innermost outwards, type, offset), padding, and the values, each tensor's
/// beginning at a multiple of `general.alignment`. Source: `docs/gguf.md` of the ggml project.
public struct GGUFFile: Checkpoint {
  public static let magic: UInt32 = 0x4655_4747  // "GGUF", little endian
  public static let defaultAlignment = 32

  public let location: URL
  /// 2 or 3.
  public let version: Int
  /// In the order of the file.
  public let keys: [String]
  public let metadata: [String: GGUFValue]
  public let tensorNames: [String]
  private let tensors: [String: Tensor]
  private let file: MappedFile
  /// Where in the file the type of each key's value stands.
  private let valuePositions: [String: Int]

  /// Maps the file and checks its header in full, and every tensor's range against the file.
  /// - Throws: `CheckpointError.unreadable`, `.malformed`, `.malformedTensor` or `.unsupportedType`.
  public init(_ url: URL) throws {
    let file = try MappedFile(url)
    if let kind = FileKind(file.bytes), kind != .gguf {
      throw CheckpointError.otherKind(kind, path: file.path, expected: "a GGUF file")
    }
    var parser = GGUFParser(bytes: file.bytes, file: file.path)
    location = url
    self.file = file

    version = try Self.readVersion(&parser)
    // A description of a tensor takes at least 24 bytes, an entry of the metadata at least 13.
    let tensorCount = try parser.count("the number of tensors", minimumBytes: 24)
    let keyCount = try parser.count("the number of metadata entries", minimumBytes: 13)

    var keys: [String] = []
    var metadata: [String: GGUFValue] = [:]
    var valuePositions: [String: Int] = [:]
    for number in 0..<keyCount {
      let key = try parser.string("metadata key \(number)")
      valuePositions[key] = parser.position
      let value = try parser.value(key)
      guard metadata.updateValue(value, forKey: key) == nil else {
        throw parser.malformed("the metadata key '\(key)' is repeated")
      }
      keys.append(key)
    }
    self.keys = keys
    self.metadata = metadata
    self.valuePositions = valuePositions

    let ordered = try GGUFTensorTable(&parser, count: tensorCount, metadata["general.alignment"], file).tensors
    tensorNames = ordered.map(\.name)
    tensors = Dictionary(ordered.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  private static func readVersion(_ parser: inout GGUFParser) throws -> Int {
    let found = try parser.integer(UInt32.self, "the signature of a GGUF file")
    guard found == magic else {
      throw parser.malformed(
        "not a GGUF file: it begins with 0x\(String(found, radix: 16)), not 0x\(String(magic, radix: 16))")
    }
    let version = try parser.integer(UInt32.self, "the version")
    guard version & 0xFFFF != 0 else {
      throw parser.malformed("a big-endian GGUF file (version \(version.byteSwapped)); only little-endian is supported")
    }
    guard version == 2 || version == 3 else {
      throw parser.malformed("GGUF version \(version); only versions 2 and 3 are supported")
    }
    return Int(version)
  }

  // MARK: Tensors

  public func contains(_ name: String) -> Bool { tensors[name] != nil }

  public func tensor(_ name: String) throws -> Tensor {
    guard let tensor = tensors[name] else {
      throw CheckpointError.missingTensor(
        file: location.path, tensor: name, near: similarNames(to: name, in: tensorNames))
    }
    return tensor
  }

  // MARK: Metadata. Required values throw `CheckpointError.missingKey` or `.wrongType`.

  public subscript(key: String) -> GGUFValue? { metadata[key] }

  public func value(_ key: String) throws -> GGUFValue { try required(key, metadata[key]) }
  public func string(_ key: String) throws -> String { try required(key, stringIfPresent(key)) }
  public func integer(_ key: String) throws -> Int { try required(key, integerIfPresent(key)) }
  public func float(_ key: String) throws -> Double { try required(key, floatIfPresent(key)) }
  public func bool(_ key: String) throws -> Bool { try required(key, boolIfPresent(key)) }
  public func strings(_ key: String) throws -> [String] { try required(key, stringsIfPresent(key)) }
  public func integers(_ key: String) throws -> [Int] { try required(key, integersIfPresent(key)) }
  public func floats(_ key: String) throws -> [Double] { try required(key, floatsIfPresent(key)) }

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

  /// The strings of an array as the bytes that the file holds, which need not be UTF-8.
  public func stringBytes(_ key: String) throws -> [[UInt8]] {
    let count = try strings(key).count
    guard let position = valuePositions[key] else { throw CheckpointError.missingKey(file: file.path, key: key) }
    // Behind the value's type (4 bytes), the elements' type (4) and their number (8), which were checked on opening.
    let elements = UnsafeRawBufferPointer(rebasing: file.bytes[(position + 16)...])
    var parser = GGUFParser(bytes: elements, file: file.path)
    return try withExtendedLifetime(file) {
      try (0..<count).map { Array(try parser.stringBytes("element \($0) of '\(key)'")) }
    }
  }

  private func required<Value>(_ key: String, _ value: Value?) throws -> Value {
    guard let value else { throw CheckpointError.missingKey(file: file.path, key: key) }
    return value
  }

  private func typed<Value>(_ key: String, _ expected: String, _ read: (GGUFValue) -> Value?) throws -> Value? {
    try metadata[key].map { value in
      guard let result = read(value) else {
        throw CheckpointError.wrongType(file: file.path, key: key, expected: expected, found: value.summary)
      }
      return result
    }
  }
}
