/// Rounds Float32 to the 16-bit types: to nearest, ties to even. NaN stays NaN, and values that are too large become
/// infinite. The loops have neither branches nor calls, so that the compiler turns them into vector instructions.
public enum Narrowing {
  /// Rounds to IEEE binary16.
  /// - Parameter destination: takes the bit patterns; at least as long as `values`.
  /// - Returns: the index of the first finite value that became infinite (magnitude 65520 or more), or nil.
  public static func f16(
    _ values: UnsafeBufferPointer<Float>, into destination: UnsafeMutableBufferPointer<UInt16>
  ) -> Int? {
    narrow(values, into: destination, limit: 0x477F_F000, halfBits)
  }

  /// Rounds to bfloat16, the upper half of binary32.
  /// - Parameter destination: takes the bit patterns; at least as long as `values`.
  /// - Returns: the index of the first finite value that became infinite, or nil.
  public static func bf16(
    _ values: UnsafeBufferPointer<Float>, into destination: UnsafeMutableBufferPointer<UInt16>
  ) -> Int? {
    narrow(values, into: destination, limit: 0x7F7F_8000, brainBits)
  }

  @inline(__always)
  private static func halfBits(_ bits: UInt32) -> UInt16 {
    let magnitude = bits & 0x7FFF_FFFF
    // From 2⁻¹⁴: move the exponent's bias from 127 to 15, and round away 13 bits. A carry out of the mantissa
    // correctly increments the exponent.
    let odd = (magnitude &>> 13) & 1
    let normal = (magnitude &- 0x3800_0000 &+ 0xFFF &+ odd) &>> 13
    // Below 2⁻¹⁴: the sum with ½ has binary16's subnormal spacing 2⁻²⁴, so that the addition rounds.
    let subnormal = (Float(bitPattern: magnitude) + 0.5).bitPattern &- 0x3F00_0000
    let nan = 0x7E00 | (magnitude &>> 13) & 0x3FF
    let finite = magnitude < 0x3880_0000 ? subnormal : normal
    let number = magnitude >= 0x477F_F000 ? 0x7C00 : finite
    let result = magnitude > 0x7F80_0000 ? nan : number
    return UInt16(truncatingIfNeeded: result | (bits &>> 16) & 0x8000)
  }

  @inline(__always)
  private static func brainBits(_ bits: UInt32) -> UInt16 {
    let odd = (bits &>> 16) & 1
    let number = (bits &+ 0x7FFF &+ odd) &>> 16
    let nan = bits &>> 16 | 0x40
    return UInt16(truncatingIfNeeded: bits & 0x7FFF_FFFF > 0x7F80_0000 ? nan : number)
  }

  /// - Returns: the index of the first finite value whose magnitude has at least the bit pattern `limit`, or nil.
  @inline(__always)
  private static func narrow(
    _ values: UnsafeBufferPointer<Float>, into destination: UnsafeMutableBufferPointer<UInt16>, limit: UInt32,
    _ narrowed: (UInt32) -> UInt16
  ) -> Int? {
    precondition(destination.count >= values.count, "the destination is shorter than the values")
    guard let source = values.baseAddress, let target = destination.baseAddress else { return nil }
    for i in 0..<values.count { target[i] = narrowed(source[i].bitPattern) }
    var largest: UInt32 = 0
    for i in 0..<values.count {
      let magnitude = source[i].bitPattern & 0x7FFF_FFFF
      largest = max(largest, magnitude < 0x7F80_0000 ? magnitude : 0)
    }
    guard largest >= limit else { return nil }
    return values.firstIndex { $0.isFinite && $0.magnitude.bitPattern >= limit }
  }
}

/// The index of the first NaN or infinity, or nil.
public func firstNonFinite(in values: UnsafeBufferPointer<Float>) -> Int? {
  guard let base = values.baseAddress else { return nil }
  var start = 0
  while start < values.count {
    // In chunks without a branch on the values, so that the compiler turns the loop into vector instructions.
    let chunk = base + start
    let length = min(4096, values.count &- start)
    var largest: UInt32 = 0
    for i in 0..<length {
      largest = max(largest, chunk[i].bitPattern & 0x7FFF_FFFF)
    }
    if largest >= 0x7F80_0000 {
      return (0..<length).first { !chunk[$0].isFinite }.map { start + $0 }
    }
    start &+= length
  }
  return nil
}
