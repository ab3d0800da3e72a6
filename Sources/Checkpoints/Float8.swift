/// The values of all 256 bytes in the 8-bit formats of the Open Compute Project ("OCP 8-bit Floating Point
/// Specification", 2023, and "Microscaling Formats", 2023).
enum Float8 {
  /// 4 bits of exponent with bias 7. All ones of exponent and fraction are NaN; there is no infinity.
  static let e4m3 = (0...255).map { byte -> Float in
    byte & 0x7F == 0x7F ? .nan : value(UInt8(byte), exponentBits: 4, bias: 7)
  }

  /// 5 bits of exponent with bias 15, and infinities and NaN as in IEEE 754.
  static let e5m2 = (0...255).map { byte -> Float in
    let (sign, rest): (Float, Int) = (byte < 0x80 ? 1 : -1, byte & 0x7F)
    if rest == 0x7C { return sign * .infinity }
    return rest > 0x7C ? .nan : value(UInt8(byte), exponentBits: 5, bias: 15)
  }

  /// An exponent with bias 127 and nothing else: 2^(byte − 127); the last is NaN.
  static let e8m0 = (0...255).map { byte -> Float in
    byte == 255 ? .nan : Float(sign: .plus, exponent: byte - 127, significand: 1)
  }

  private static func value(_ byte: UInt8, exponentBits: Int, bias: Int) -> Float {
    let fractionBits = 7 - exponentBits
    let fraction = Float(Int(byte) & (1 << fractionBits - 1)) / Float(1 << fractionBits)
    let exponent = Int(byte & 0x7F) >> fractionBits
    let sign: FloatingPointSign = byte < 0x80 ? .plus : .minus
    // Exponent 0 has no leading one.
    return exponent == 0
      ? Float(sign: sign, exponent: 1 - bias, significand: fraction)
      : Float(sign: sign, exponent: exponent - bias, significand: 1 + fraction)
  }
}
