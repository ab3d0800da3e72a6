// The 256-element super-blocks of ggml ("K-quants"; layouts from ggml-common.h, formulas from ggml-quants.c).
// A super-block has one binary16 scale d (and in some types one minimum dmin); its sub-blocks of 16 or 32 elements have
// small integer scales and minima relative to these.

/// Q2_K: 16 sub-blocks of 16, `d · scale · q − dmin · minimum`; scale and minimum share a byte, q has two bits.
///
/// Bytes: 16 scales, 64 q, d, dmin. Each half of 128 elements uses 32 bytes of q: bits 0–1 for its first 32 elements,
/// bits 2–3 for the next 32, and so on.
func decodeQ2K(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
  let (d, dmin) = (half(block, 80), half(block, 82))
  for sub in 0..<16 {
    let packed = block.loadUnaligned(fromByteOffset: sub, as: UInt8.self)
    let scale = d * Float(packed & 0xF)
    let minimum = dmin * Float(packed &>> 4)
    let q = twoBits(block, 16, sub)
    store(floats(q) * scale - minimum, target, sub &* 16)
  }
}

/// Q3_K: 16 sub-blocks of 16, `d · (scale − 32) · q`; scale has six bits, q = two low bits, minus 4 unless its high
/// bit is set.
///
/// Bytes: 32 high bits (bit k of byte j belongs to element 32·k + j), 64 low bits as in Q2_K, 12 scales, d. The low
/// four bits of scales 0–7 and 8–15 are the low and high halves of scale bytes 0–7; their upper two bits are in
/// scale bytes 8–11, four scales to a byte, scale i at byte i mod 4.
func decodeQ3K(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
  let d = half(block, 108)
  for sub in 0..<16 {
    let lowByte = block.loadUnaligned(fromByteOffset: 96 &+ (sub & 7), as: UInt8.self)
    let highByte = block.loadUnaligned(fromByteOffset: 104 &+ (sub & 3), as: UInt8.self)
    let low = sub < 8 ? lowByte & 0xF : lowByte &>> 4
    let high = (highByte &>> UInt8(truncatingIfNeeded: 2 &* (sub / 4))) & 3
    let scale = d * Float(Int(low | high &<< 4) &- 32)
    let highBit = (bytes16(block, (sub & 1) &* 16) &>> Bytes16(repeating: UInt8(truncatingIfNeeded: sub / 2))) & 1
    let q = (twoBits(block, 32, sub) | highBit &<< 2) &- 4
    store(floats(signed: q) * scale, target, sub &* 16)
  }
}

/// The two-bit integers of sub-block `sub` in Q2_K and Q3_K, whose 64 bytes begin at `offset`.
@inline(__always)
private func twoBits(_ block: UnsafeRawPointer, _ offset: Int, _ sub: Int) -> Bytes16 {
  let bytes = bytes16(block, offset &+ (sub / 8) &* 32 &+ (sub & 1) &* 16)
  let shift = UInt8(truncatingIfNeeded: (sub / 2 & 3) &* 2)
  return (bytes &>> Bytes16(repeating: shift)) & 3
}

/// Scale and minimum (six bits each) of sub-block `sub` in Q4_K and Q5_K, whose 12 bytes begin at `offset`.
///
/// Sub-blocks 0–3 have their scale in bytes 0–3 and their minimum in bytes 4–7, in the low six bits. Sub-blocks 4–7
/// have the low four bits of both in bytes 8–11, and the upper two in the upper two bits of bytes 0–3 and 4–7.
@inline(__always)
private func scaleAndMinimum(_ block: UnsafeRawPointer, _ offset: Int, _ sub: Int) -> (scale: Float, minimum: Float) {
  func byte(_ index: Int) -> UInt8 { block.loadUnaligned(fromByteOffset: offset &+ index, as: UInt8.self) }
  if sub < 4 {
    return (Float(byte(sub) & 63), Float(byte(sub &+ 4) & 63))
  }
  let low = byte(sub &+ 4)
  return (
    Float(low & 0xF | (byte(sub &- 4) &>> 6) &<< 4),
    Float(low &>> 4 | (byte(sub) &>> 6) &<< 4)
  )
}

/// Q4_K: 8 sub-blocks of 32, `d · scale · q − dmin · minimum`, with four bits of q.
///
/// Bytes: d, dmin, 12 scales and minima, 128 q. Sub-blocks 2k and 2k + 1 are the low and high halves of 32 bytes of q.
func decodeQ4K(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
  let (d, dmin) = (half(block, 0), half(block, 2))
  for pair in 0..<4 {
    let first = scaleAndMinimum(block, 4, 2 &* pair)
    let second = scaleAndMinimum(block, 4, 2 &* pair &+ 1)
    for part in 0..<2 {
      let q = bytes16(block, 16 &+ pair &* 32 &+ part &* 16)
      let at = pair &* 64 &+ part &* 16
      store(floats(q & 0xF) * (d * first.scale) - dmin * first.minimum, target, at)
      store(floats(q &>> 4) * (d * second.scale) - dmin * second.minimum, target, at &+ 32)
    }
  }
}

/// Q5_K: as Q4_K with a fifth bit of q: bit k of byte j of 32 more bytes belongs to element 32·k + j.
///
/// Bytes: d, dmin, 12 scales and minima, 32 fifth bits, 128 low bits.
func decodeQ5K(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
  let (d, dmin) = (half(block, 0), half(block, 2))
  for pair in 0..<4 {
    let first = scaleAndMinimum(block, 4, 2 &* pair)
    let second = scaleAndMinimum(block, 4, 2 &* pair &+ 1)
    for part in 0..<2 {
      let fifth = bytes16(block, 16 &+ part &* 16) &>> Bytes16(repeating: UInt8(truncatingIfNeeded: 2 &* pair))
      let q = bytes16(block, 48 &+ pair &* 32 &+ part &* 16)
      let low = (q & 0xF) | (fifth & 1) &<< 4
      let high = (q &>> 4) | (fifth & 2) &<< 3
      let at = pair &* 64 &+ part &* 16
      store(floats(low) * (d * first.scale) - dmin * first.minimum, target, at)
      store(floats(high) * (d * second.scale) - dmin * second.minimum, target, at &+ 32)
    }
  }
}

/// Q6_K: 16 sub-blocks of 16, `d · scale · (q − 32)`, with signed bytes as scales and six bits of q.
///
/// Bytes: 128 low bits, 64 high bits, 16 scales, d. Each half of 128 elements has four runs of 32; runs 0 and 2 are the
/// low and high halves of the half's first 32 low bytes, runs 1 and 3 of the other 32; run k has bits 2k and 2k + 1 of
/// the half's 32 high bytes.
func decodeQ6K(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
  let d = half(block, 208)
  for sub in 0..<16 {
    let (halfBlock, run, part) = (sub / 8, sub / 2 & 3, sub & 1)
    let lowBytes = bytes16(block, halfBlock &* 64 &+ (run & 1) &* 32 &+ part &* 16)
    let highBytes = bytes16(block, 128 &+ halfBlock &* 32 &+ part &* 16)
    let low = run < 2 ? lowBytes & 0xF : lowBytes &>> 4
    let high = (highBytes &>> Bytes16(repeating: UInt8(truncatingIfNeeded: 2 &* run))) & 3
    let scale = d * Float(block.loadUnaligned(fromByteOffset: 192 &+ sub, as: Int8.self))
    store(floats(signed: (low | high &<< 4) &- 32) * scale, target, sub &* 16)
  }
}
