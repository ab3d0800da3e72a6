/// Rounding Float32 to the 16-bit types: to nearest, ties to even. NaN stays NaN, and what is too large becomes
/// infinite. Integer arithmetic and selections only, so that the loops become vector instructions.
public enum Narrowing {
  /// Rounds to IEEE binary16.
  /// - Parameter destination: takes the bit patterns; at least as long as `values`.
  /// - Returns: the index of the first finite value that became infinite (magnitude 65520 or more), or nil.
  public static func f16(
    _ values: UnsafeBufferPointer<Float>, into destination: UnsafeMutableBufferPointer<UInt16>
  ) -> Int? {
    narrow(values, destination, firstTooLarge: 0x477F_F000) { bits in
      let magnitude = bits & 0x7FFF_FFFF
      // From 2⁻¹⁴: move the exponent's bias from 127 to 15, and round away 13 bits. A carry out of the mantissa
      // correctly increments the exponent.
      let odd = (magnitude &>> 13) & 1
      let normal = (magnitude &- 0x3800_0000 &+ 0xFFF &+ odd) &>> 13
      // Below: the sum with ½ has binary16's subnormal spacing 2⁻²⁴, so that the addition rounds.
      let sum = Float(bitPattern: magnitude) + 0.5
      let subnormal = sum.bitPattern &- 0x3F00_0000
      var result = magnitude < 0x3880_0000 ? subnormal : normal
      result = magnitude >= 0x477F_F000 ? 0x7C00 : result
      result = magnitude > 0x7F80_0000 ? 0x7E00 | (magnitude &>> 13) & 0x3FF : result
      return UInt16(truncatingIfNeeded: result | (bits &>> 16) & 0x8000)
    }
  }

  /// Rounds to bfloat16, the upper half of binary32.
  /// - Parameter destination: takes the bit patterns; at least as long as `values`.
  /// - Returns: the index of the first finite value that became infinite, or nil.
  public static func bf16(
    _ values: UnsafeBufferPointer<Float>, into destination: UnsafeMutableBufferPointer<UInt16>
  ) -> Int? {
    narrow(values, destination, firstTooLarge: 0x7F7F_8000) { bits in
      let odd = (bits &>> 16) & 1
      let rounded = (bits &+ 0x7FFF &+ odd) &>> 16
      let isNaN = bits & 0x7FFF_FFFF > 0x7F80_0000
      return UInt16(truncatingIfNeeded: isNaN ? bits &>> 16 | 0x40 : rounded)
    }
  }

  /// - Parameter firstTooLarge: bit pattern of the smallest magnitude that rounds to infinity.
  @inline(__always)
  private static func narrow(
    _ values: UnsafeBufferPointer<Float>, _ destination: UnsafeMutableBufferPointer<UInt16>, firstTooLarge: UInt32,
    _ round: (UInt32) -> UInt16
  ) -> Int? {
    precondition(destination.count >= values.count, "the destination is shorter than the values")
    guard let source = values.baseAddress, let target = destination.baseAddress else { return nil }
    var overflowed: UInt32 = 0
    for i in 0..<values.count {
      let bits = source[i].bitPattern
      target[i] = round(bits)
      let magnitude = bits & 0x7FFF_FFFF
      overflowed |= magnitude >= firstTooLarge && magnitude < 0x7F80_0000 ? 1 : 0
    }
    guard overflowed != 0 else { return nil }
    return values.firstIndex { $0.isFinite && $0.magnitude.bitPattern >= firstTooLarge }
  }
}

/// The index of the first NaN or infinity, or nil.
public func firstNonFinite(in values: UnsafeBufferPointer<Float>) -> Int? {
  guard let base = values.baseAddress else { return nil }
  let chunk = 4096
  var start = 0
  while start < values.count {
    let end = min(start &+ chunk, values.count)
    var found: UInt32 = 0
    for i in start..<end {
      found |= base[i].bitPattern & 0x7FFF_FFFF >= 0x7F80_0000 ? 1 : 0
    }
    if found != 0 {
      return (start..<end).first { !base[$0].isFinite }
    }
    start = end
  }
  return nil
}
