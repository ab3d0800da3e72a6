// The 256-element super-blocks of ggml with three values, −d, 0 and d (layouts from ggml-common.h, formulas from
// ggml-quants.c).

/// TQ1_0: `d · (q − 1)`, with five digits q of base 3 in a byte b: the byte is ⌈256·n/243⌉ for the digits' number n, so
/// that the leading digit of `b·3^k mod 256`, ⌊3·(b·3^k mod 256)/256⌋, is digit k.
///
/// Bytes: 48 q, 4 more of four digits, d. Digit k of the first 32 bytes is elements 32·k …, of the next 16 elements
/// 160 + 16·k …, of the last four elements 240 + 4·k ….
func decodeTQ10(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
  let d = half(block, 52)
  var (first, second, third) = (bytes16(block, 0), bytes16(block, 16), bytes16(block, 32))
  for digit in 0..<5 {
    store(floats(signed: leadingDigit(first) &- 1) * d, target, 32 &* digit)
    store(floats(signed: leadingDigit(second) &- 1) * d, target, 32 &* digit &+ 16)
    store(floats(signed: leadingDigit(third) &- 1) * d, target, 160 &+ 16 &* digit)
    first = first &* 3
    second = second &* 3
    third = third &* 3
  }
  var last = Bytes16()
  var power: UInt8 = 1
  for digit in 0..<4 {
    for i in 0..<4 {
      let byte = block.loadUnaligned(fromByteOffset: 48 &+ i, as: UInt8.self)
      last[4 &* digit &+ i] = byte &* power
    }
    power &*= 3
  }
  store(floats(signed: leadingDigit(last) &- 1) * d, target, 240)
}

/// ⌊3·b/256⌋: the number of thresholds, 86 and 171, that a byte reaches.
@inline(__always)
private func leadingDigit(_ bytes: Bytes16) -> Bytes16 {
  let ones = Bytes16(repeating: 1)
  return Bytes16().replacing(with: ones, where: bytes .>= 86) &+ Bytes16().replacing(with: ones, where: bytes .>= 171)
}

/// TQ2_0: `d · (q − 1)`, with two bits of q.
///
/// Bytes: 64 q, d. Bits 2k and 2k + 1 of the first 32 bytes are elements 32·k …, of the other 32 elements 128 + 32·k ….
func decodeTQ20(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
  let d = half(block, 64)
  for run in 0..<16 {
    let bytes = bytes16(block, (run / 8) &* 32 &+ (run & 1) &* 16)
    let shift = Bytes16(repeating: UInt8(truncatingIfNeeded: (run / 2 & 3) &* 2))
    store(floats(signed: ((bytes &>> shift) & 3) &- 1) * d, target, 16 &* run)
  }
}
