/// The encoding of a stored tensor's elements: the plain types of safetensors, and the plain and block-quantised types
/// of GGUF (ggml). The raw value is the name that both formats print.
public enum ElementType: String, Sendable, Hashable, CaseIterable {
  case f64 = "F64"
  case f32 = "F32"
  case f16 = "F16"
  case bf16 = "BF16"
  case i64 = "I64"
  case i32 = "I32"
  case i16 = "I16"
  case i8 = "I8"
  case u64 = "U64"
  case u32 = "U32"
  case u16 = "U16"
  case u8 = "U8"
  case bool = "BOOL"
  /// 8 bits: sign, 4 of exponent, 3 of fraction; no infinities ("E4M3FN").
  case f8E4M3 = "F8_E4M3"
  /// 8 bits: sign, 5 of exponent, 2 of fraction.
  case f8E5M2 = "F8_E5M2"
  /// A power of two, the type of some scales.
  case f8E8M0 = "F8_E8M0"
  case q40 = "Q4_0"
  case q41 = "Q4_1"
  case q50 = "Q5_0"
  case q51 = "Q5_1"
  case q80 = "Q8_0"
  case q2K = "Q2_K"
  case q3K = "Q3_K"
  case q4K = "Q4_K"
  case q5K = "Q5_K"
  case q6K = "Q6_K"
  case iq4NL = "IQ4_NL"
  case iq4XS = "IQ4_XS"
  case mxfp4 = "MXFP4"
  case tq10 = "TQ1_0"
  case tq20 = "TQ2_0"

  public var name: String { rawValue }

  /// Number of elements that are encoded together; 1 for plain types. A row is always a whole number of blocks.
  public var blockSize: Int { layout.elements }

  /// Size of one block in bytes; of one element for plain types.
  public var bytesPerBlock: Int { layout.bytes }

  /// The number of this type in a GGUF file (`enum ggml_type`), or nil if GGUF has none.
  public var ggmlCode: UInt32? { layout.code }

  private var layout: (elements: Int, bytes: Int, code: UInt32?) {
    switch self {
    case .f64: (1, 8, 28)
    case .f32: (1, 4, 0)
    case .f16: (1, 2, 1)
    case .bf16: (1, 2, 30)
    case .i64: (1, 8, 27)
    case .i32: (1, 4, 26)
    case .i16: (1, 2, 25)
    case .i8: (1, 1, 24)
    case .u64: (1, 8, nil)
    case .u32: (1, 4, nil)
    case .u16: (1, 2, nil)
    case .u8, .bool, .f8E4M3, .f8E5M2, .f8E8M0: (1, 1, nil)
    case .q40: (32, 18, 2)  // f16 scale, 32 × 4 bits
    case .q41: (32, 20, 3)  // f16 scale and minimum, 32 × 4 bits
    case .q50: (32, 22, 6)  // f16 scale, 32 high bits, 32 × 4 bits
    case .q51: (32, 24, 7)  // f16 scale and minimum, 32 high bits, 32 × 4 bits
    case .q80: (32, 34, 8)  // f16 scale, 32 × 8 bits
    case .q2K: (256, 84, 10)  // 16 × (4 + 4) bits of scales and minima, 256 × 2 bits, f16 scale and minimum
    case .q3K: (256, 110, 11)  // 256 high bits, 256 × 2 bits, 16 × 6 bits of scales, f16 scale
    case .q4K: (256, 144, 12)  // f16 scale and minimum, 8 × (6 + 6) bits, 256 × 4 bits
    case .q5K: (256, 176, 13)  // as Q4_K, and 256 high bits
    case .q6K: (256, 210, 14)  // 256 × (4 + 2) bits, 16 × 8 bits of scales, f16 scale
    case .iq4NL: (32, 18, 20)  // f16 scale, 32 × 4 bits
    case .iq4XS: (256, 136, 23)  // f16 scale, 8 × 6 bits of scales, 256 × 4 bits
    case .mxfp4: (32, 17, 39)  // 8 bits of exponent, 32 × 4 bits
    case .tq10: (256, 54, 34)  // 48 × 5 and 4 × 4 ternary digits, a byte each, f16 scale
    case .tq20: (256, 66, 35)  // 256 × 2 bits, f16 scale
    }
  }

  public var isQuantised: Bool { blockSize > 1 }

  /// 8-bit floats. They are weights only together with a scale.
  public var isFloat8: Bool { self == .f8E4M3 || self == .f8E5M2 }

  /// Whole numbers: never weights themselves, but parts of quantised weights.
  public var isInteger: Bool {
    switch self {
    case .i64, .i32, .i16, .i8, .u64, .u32, .u16, .u8, .bool: true
    default: false
    }
  }

  /// The type with this name in a safetensors header, or nil.
  init?(safetensorsName name: String) {
    guard let type = ElementType(rawValue: name), !type.isQuantised else { return nil }
    self = type
  }

  init?(ggmlCode code: UInt32) {
    guard let type = ElementType.allCases.first(where: { $0.ggmlCode == code }) else { return nil }
    self = type
  }

  static let safetensorsNames = allCases.filter { !$0.isQuantised }.map(\.name)
  static let ggmlNames = allCases.filter { $0.ggmlCode != nil }.map(\.name)

  /// The reason why a shape cannot be stored in a type.
  enum ShapeProblem: Error {
    case overflow
    case partialBlock
  }

  /// Elements and bytes of a tensor of this type.
  /// - Parameter shape: outermost dimension first; an empty shape is a scalar.
  func size(of shape: [Int]) -> Result<(elements: Int, bytes: Int), ShapeProblem> {
    // A zero anywhere makes the tensor empty, but must not hide an overflow of the other dimensions.
    var product = 1
    for dimension in shape {
      guard dimension >= 0 else { return .failure(.overflow) }
      let (value, overflow) = product.multipliedReportingOverflow(by: max(dimension, 1))
      guard !overflow else { return .failure(.overflow) }
      product = value
    }
    let (bits, overflow) = product.multipliedReportingOverflow(by: bytesPerBlock)
    guard !overflow else { return .failure(.overflow) }
    guard (shape.last ?? 1) % blockSize == 0 else { return .failure(.partialBlock) }
    return shape.contains(0) ? .success((0, 0)) : .success((product, bits / blockSize))
  }
}
