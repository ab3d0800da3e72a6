// The blocks of ggml whose four-bit integers are places in a table of 16 values (layouts from ggml-common.h, formulas
// from ggml-quants.c). As in Q4_0, elements j and j + 16 share a byte.

/// IQ4_NL: `d · table[q]`.
///
/// Bytes: d, 16 q.
func decodeIQ4NL(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
  decode16Bytes(block + 2, half(block, 0), nonlinear, target)
}

/// IQ4_XS: 8 sub-blocks of 32, `d · (scale − 32) · table[q]`, with a scale of six bits.
///
/// Bytes: d, the upper two bits of the scales, the lower four bits of the scales (two to a byte), 128 q.
func decodeIQ4XS(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
  let d = half(block, 0)
  let upper = block.loadUnaligned(fromByteOffset: 2, as: UInt16.self)
  for sub in 0..<8 {
    let lowerByte = block.loadUnaligned(fromByteOffset: 4 &+ sub / 2, as: UInt8.self)
    let lower = sub & 1 == 0 ? lowerByte & 0xF : lowerByte &>> 4
    let scale = Int(lower) | Int(upper &>> UInt16(truncatingIfNeeded: 2 &* sub) & 3) &<< 4
    decode16Bytes(block + 8 + 16 &* sub, d * Float(scale &- 32), nonlinear, target + 32 &* sub)
  }
}

/// MXFP4: `2^(e − 127) · q` with q in four-bit floating point (OCP Microscaling Formats 1.0). The table holds 2·q.
///
/// Bytes: e, 16 q.
func decodeMXFP4(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
  let exponent = UInt32(block.loadUnaligned(as: UInt8.self))
  // 2^(e − 128), which is subnormal for e of 0 and 1.
  let d = Float(bitPattern: exponent < 2 ? 0x0020_0000 &<< exponent : (exponent &- 1) &<< 23)
  decode16Bytes(block + 1, d, fourBitFloats, target)
}

/// `kvalues_iq4nl`, closer together near zero.
private let nonlinear = SIMD16<Int8>(
  -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)

/// Twice the values of E2M1: a sign, two bits of exponent, one of mantissa.
private let fourBitFloats = SIMD16<Int8>(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12)

@inline(__always)
private func decode16Bytes(
  _ source: UnsafeRawPointer, _ d: Float, _ table: SIMD16<Int8>, _ target: UnsafeMutablePointer<Float>
) {
  let q = bytes16(source, 0)
  store(floats(signed: lookUp(q & 0xF, table)) * d, target, 0)
  store(floats(signed: lookUp(q &>> 4, table)) * d, target, 16)
}

/// The table's entries at 16 places of four bits: each bit, from the lowest on, halves the rest of the table.
@inline(__always)
private func lookUp(_ places: Bytes16, _ table: SIMD16<Int8>) -> Bytes16 {
  let values = Bytes16(truncatingIfNeeded: table)
  /// All bits of a byte are bit `bit` of its place.
  func mask(_ bit: UInt8) -> Bytes16 { 0 &- ((places &>> Bytes16(repeating: bit)) & 1) }
  let (m0, m1, m2, m3) = (mask(0), mask(1), mask(2), mask(3))
  func choose(_ clear: Bytes16, _ set: Bytes16, _ mask: Bytes16) -> Bytes16 { clear ^ ((clear ^ set) & mask) }
  func two(_ at: Int) -> Bytes16 { choose(Bytes16(repeating: values[at]), Bytes16(repeating: values[at &+ 1]), m0) }
  func four(_ at: Int) -> Bytes16 { choose(two(at), two(at &+ 2), m1) }
  func eight(_ at: Int) -> Bytes16 { choose(four(at), four(at &+ 4), m2) }
  return choose(eight(0), eight(8), m3)
}
