/// Reads the header of a GGUF file from its bytes, one item after another, and never past their end.
///
/// A count is accepted only if that many items of the least possible size fit the rest of the file. So a damaged count
/// allocates no more memory than the file has bytes, within a small factor.
struct GGUFParser {
  let bytes: UnsafeRawBufferPointer
  let file: String
  private(set) var position = 0

  static let maximumArrayDepth = 8

  var remaining: Int { bytes.count - position }

  func malformed(_ problem: String) -> CheckpointError { .malformed(file: file, problem: problem) }

  /// A number in little-endian order.
  mutating func integer<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type, _ what: @autoclosure () -> String
  ) throws -> Value {
    guard remaining >= MemoryLayout<Value>.size else { throw truncated(what(), MemoryLayout<Value>.size) }
    defer { position += MemoryLayout<Value>.size }
    return Value(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: type))
  }

  /// A count of items that each take at least `minimumBytes`.
  mutating func count(_ what: @autoclosure () -> String, minimumBytes: Int) throws -> Int {
    let count = try integer(UInt64.self, what())
    guard count <= UInt64(remaining / minimumBytes) else {
      throw malformed(
        "\(what()) is \(count), but the remaining \(remaining) bytes hold at most \(remaining / minimumBytes)")
    }
    return Int(count)
  }

  /// The bytes of a string: a length of 64 bits, then that many bytes.
  mutating func stringBytes(_ what: @autoclosure () -> String) throws -> Slice<UnsafeRawBufferPointer> {
    let length = try count("the length of \(what())", minimumBytes: 1)
    defer { position += length }
    return bytes[position..<position + length]
  }

  /// A string; bytes that are not UTF-8 become U+FFFD.
  mutating func string(_ what: @autoclosure () -> String) throws -> String {
    String(decoding: UnsafeRawBufferPointer(rebasing: try stringBytes(what())), as: UTF8.self)
  }

  /// The type and value of a metadata entry.
  mutating func value(_ key: String) throws -> GGUFValue { try value(of: try valueType(key), key) }

  mutating func value(of type: GGUFValueType, _ key: String) throws -> GGUFValue {
    switch type {
    case .uint8: .uint8(try integer(UInt8.self, "the value of '\(key)'"))
    case .int8: .int8(try integer(Int8.self, "the value of '\(key)'"))
    case .uint16: .uint16(try integer(UInt16.self, "the value of '\(key)'"))
    case .int16: .int16(try integer(Int16.self, "the value of '\(key)'"))
    case .uint32: .uint32(try integer(UInt32.self, "the value of '\(key)'"))
    case .int32: .int32(try integer(Int32.self, "the value of '\(key)'"))
    case .float32: .float32(Float(bitPattern: try integer(UInt32.self, "the value of '\(key)'")))
    case .bool: .bool(try bool(key))
    case .string: .string(try string("the value of '\(key)'"))
    case .array: .array(try array(key, depth: 0))
    case .uint64: .uint64(try integer(UInt64.self, "the value of '\(key)'"))
    case .int64: .int64(try integer(Int64.self, "the value of '\(key)'"))
    case .float64: .float64(Double(bitPattern: try integer(UInt64.self, "the value of '\(key)'")))
    }
  }

  private mutating func valueType(_ key: String) throws -> GGUFValueType {
    let number = try integer(UInt32.self, "the type of '\(key)'")
    guard let type = GGUFValueType(rawValue: number) else {
      throw malformed("the key '\(key)' has a value of the unknown type \(number)")
    }
    return type
  }

  private mutating func bool(_ key: String) throws -> Bool {
    let byte = try integer(UInt8.self, "the value of '\(key)'")
    guard byte <= 1 else { throw malformed("the key '\(key)' holds \(byte) where a boolean (0 or 1) is expected") }
    return byte == 1
  }

  /// Checks the elements of an array; they are decoded when they are asked for.
  private mutating func array(_ key: String, depth: Int) throws -> GGUFArray {
    guard depth < GGUFParser.maximumArrayDepth else {
      throw malformed("the key '\(key)' nests arrays deeper than \(GGUFParser.maximumArrayDepth)")
    }
    let type = try valueType(key)
    let count = try count("the number of elements of '\(key)'", minimumBytes: type.minimumBytes)
    let start = position
    switch type {
    case .bool: for _ in 0..<count { _ = try bool(key) }
    case .string: for number in 0..<count { _ = try stringBytes("element \(number) of '\(key)'") }
    case .array: for _ in 0..<count { _ = try array(key, depth: depth + 1) }
    default: position += count * type.minimumBytes
    }
    return GGUFArray(type: type, count: count, bytes: Array(bytes[start..<position]))
  }

  private func truncated(_ what: String, _ needed: Int) -> CheckpointError {
    malformed("\(what) needs \(needed) bytes at byte \(position), but \(remaining) are left (truncated?)")
  }
}
