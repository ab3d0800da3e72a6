import CKernels

/// In which precision the products of a forward pass take their factors. Sums are in single precision either way.
public enum Precision: String, Codable, Sendable, CaseIterable {
  case single = "f32"
  /// The upper half of a single: eight bits of exponent and seven of fraction.
  case bfloat16 = "bf16"

  /// Whether the processor multiplies in this precision fast.
  public var isSupported: Bool { self == .single || nas_bfloat16_is_supported() }
}

extension Kernels {
  /// Rounds to bfloat16, to the nearest, ties to even.
  public static func roundToBfloat16(_ x: UnsafeMutablePointer<Float>, count: Int) { nas_bfloat16_round(x, count) }
}
