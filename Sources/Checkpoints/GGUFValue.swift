/// A metadata value of a GGUF file, in the type it is stored in.
public enum GGUFValue: Sendable, Hashable {
  case uint8(UInt8)
  case int8(Int8)
  case uint16(UInt16)
  case int16(Int16)
  case uint32(UInt32)
  case int32(Int32)
  case float32(Float)
  case bool(Bool)
  case string(String)
  case array(GGUFArray)
  case uint64(UInt64)
  case int64(Int64)
  case float64(Double)

  /// Any integer that fits `Int`.
  public var integer: Int? {
    switch self {
    case .uint8(let value): Int(value)
    case .int8(let value): Int(value)
    case .uint16(let value): Int(value)
    case .int16(let value): Int(value)
    case .uint32(let value): Int(value)
    case .int32(let value): Int(value)
    case .uint64(let value): Int(exactly: value)
    case .int64(let value): Int(value)
    case .float32, .float64, .bool, .string, .array: nil
    }
  }

  /// Any number.
  public var float: Double? {
    switch self {
    case .float32(let value): Double(value)
    case .float64(let value): value
    default: integer.map(Double.init)
    }
  }

  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  public var string: String? { if case .string(let value) = self { value } else { nil } }
  public var array: GGUFArray? { if case .array(let value) = self { value } else { nil } }

  /// A description for error messages.
  public var summary: String {
    switch self {
    case .string(let value): "the string \"\(value.prefix(40))\(value.count > 40 ? "…" : "")\""
    case .array(let value): "an array of \(value.count) \(value.type.plural)"
    case .bool(let value): "\(value)"
    case .float32(let value): "the number \(value)"
    case .float64(let value): "the number \(value)"
    case .uint64(let value): "the integer \(value)"
    default: "the integer \(integer ?? 0)"
    }
  }

  /// The type, and the bytes that follow its number in a file.
  var stored: (type: GGUFValueType, bytes: [UInt8]) {
    func bytes(_ value: some FixedWidthInteger & BitwiseCopyable) -> [UInt8] {
      withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
    return switch self {
    case .uint8(let value): (.uint8, bytes(value))
    case .int8(let value): (.int8, bytes(value))
    case .uint16(let value): (.uint16, bytes(value))
    case .int16(let value): (.int16, bytes(value))
    case .uint32(let value): (.uint32, bytes(value))
    case .int32(let value): (.int32, bytes(value))
    case .float32(let value): (.float32, bytes(value.bitPattern))
    case .bool(let value): (.bool, [value ? 1 : 0])
    case .string(let value): (.string, bytes(UInt64(value.utf8.count)) + value.utf8)
    case .array(let value): (.array, bytes(value.type.rawValue) + bytes(UInt64(value.count)) + value.bytes)
    case .uint64(let value): (.uint64, bytes(value))
    case .int64(let value): (.int64, bytes(value))
    case .float64(let value): (.float64, bytes(value.bitPattern))
    }
  }
}

/// An array among the metadata of a GGUF file: all elements have one type, which may again be an array.
public struct GGUFArray: Sendable, Hashable {
  let type: GGUFValueType
  public let count: Int
  /// The elements as they lie in a file, one after another.
  let bytes: [UInt8]

  public var strings: [String]? { type == .string ? elements(\.string) : nil }
  public var bools: [Bool]? { type == .bool ? elements(\.bool) : nil }
  public var arrays: [GGUFArray]? { type == .array ? elements(\.array) : nil }
  /// Integers of any width, if all fit `Int`.
  public var integers: [Int]? { type.plural == "integers" ? elements(\.integer) : nil }
  /// Numbers of any type.
  public var floats: [Double]? { ["integers", "numbers"].contains(type.plural) ? elements(\.float) : nil }

  private func elements<Element>(_ read: (GGUFValue) -> Element?) -> [Element]? {
    bytes.withUnsafeBytes { bytes in
      var parser = GGUFParser(bytes: bytes, file: "")
      let elements = (0..<count).compactMap { _ in (try? parser.value(of: type, "")).flatMap(read) }
      return elements.count == count ? elements : nil
    }
  }
}

extension GGUFArray {
  /// - Parameter elements: values of the type.
  init(_ type: GGUFValueType, _ elements: [GGUFValue]) {
    self.init(type: type, count: elements.count, bytes: elements.flatMap(\.stored.bytes))
  }

  public static func int32(_ values: [Int32]) -> GGUFArray { .init(.int32, values.map(GGUFValue.int32)) }
  public static func uint32(_ values: [UInt32]) -> GGUFArray { .init(.uint32, values.map(GGUFValue.uint32)) }
  public static func float32(_ values: [Float]) -> GGUFArray { .init(.float32, values.map(GGUFValue.float32)) }
  public static func bool(_ values: [Bool]) -> GGUFArray { .init(.bool, values.map(GGUFValue.bool)) }
  public static func string(_ values: [String]) -> GGUFArray { .init(.string, values.map(GGUFValue.string)) }
}

/// The numbers by which a GGUF file names the types of its metadata.
enum GGUFValueType: UInt32 {
  case uint8, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

  /// The fewest bytes that a value of this type takes in the file.
  var minimumBytes: Int {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64: 8
    case .string: 8  // its length
    case .array: 12  // its element type and its count
    }
  }

  /// Several values in words.
  var plural: String {
    switch self {
    case .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64: "integers"
    case .float32, .float64: "numbers"
    case .bool: "booleans"
    case .string: "strings"
    case .array: "arrays"
    }
  }
}
