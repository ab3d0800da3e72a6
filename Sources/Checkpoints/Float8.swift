import CKernels

/// The values of all 256 bytes in the 8-bit formats of the Open Compute Project ("OCP 8-bit Floating Point
/// Specification", 2023, and "Microscaling Formats", 2023).
enum Float8 {
  /// 4 bits of exponent with bias 7. All ones of exponent and fraction are NaN; there is no infinity.
  static let e4m3 = (0...255).map { byte -> Float in
    if byte & 0x7F == 0x7F { return .nan }
    let (exponent, fraction) = (byte >> 3 & 15, Float(byte & 7) / 8)
    // Exponent 0 has no leading one.
    return Float(
      sign: byte < 0x80 ? .plus : .minus, exponent: max(exponent, 1) - 7,
      significand: exponent == 0 ? fraction : 1 + fraction)
  }

  /// The upper byte of IEEE binary16: 5 bits of exponent with bias 15, and infinities and NaN.
  static let e5m2 = (UInt16(0)...255).map { nas_half_value($0 << 8) }

  /// An exponent with bias 127 and nothing else: 2^(byte − 127); the last is NaN.
  static let e8m0 = (0...255).map { byte -> Float in
    byte == 255 ? .nan : Float(sign: .plus, exponent: byte - 127, significand: 1)
  }
}
