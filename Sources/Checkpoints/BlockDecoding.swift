import CKernels

// The 32-element blocks of ggml ("legacy quants"; layouts from ggml-common.h, formulas from ggml-quants.c).
// A block is one scale d (binary16), in the `_1` types a minimum m, and 32 small integers q. Element j and element
// j + 16 share a byte: its low four bits belong to the first, its high four bits to the second.

typealias Bytes16 = SIMD16<UInt8>
typealias Floats16 = SIMD16<Float>

@inline(__always)
func half(_ block: UnsafeRawPointer, _ offset: Int) -> Float {
  nas_half_value(block.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
}

@inline(__always)
func bytes16(_ block: UnsafeRawPointer, _ offset: Int) -> Bytes16 {
  block.loadUnaligned(fromByteOffset: offset, as: Bytes16.self)
}

/// Small unsigned integers as floats.
@inline(__always)
func floats(_ values: Bytes16) -> Floats16 {
  Floats16(SIMD16<Int32>(truncatingIfNeeded: values))
}

/// Small signed integers as floats.
@inline(__always)
func floats(signed values: Bytes16) -> Floats16 {
  Floats16(SIMD16<Int32>(truncatingIfNeeded: SIMD16<Int8>(truncatingIfNeeded: values)))
}

@inline(__always)
func store(_ values: Floats16, _ target: UnsafeMutablePointer<Float>, _ offset: Int) {
  UnsafeMutableRawPointer(target + offset).storeBytes(of: values, as: Floats16.self)
}

/// Q4_0: `d · (q − 8)`.
func decodeQ40(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
  let d = half(block, 0)
  let q = bytes16(block, 2)
  store(floats(signed: (q & 0xF) &- 8) * d, target, 0)
  store(floats(signed: (q &>> 4) &- 8) * d, target, 16)
}

/// Q4_1: `d · q + m`.
func decodeQ41(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
  let (d, m) = (half(block, 0), half(block, 2))
  let q = bytes16(block, 4)
  store(floats(q & 0xF) * d + m, target, 0)
  store(floats(q &>> 4) * d + m, target, 16)
}

/// The fifth bits of 16 elements, in place (value 0 or 16): bit j of `bits` belongs to element j.
@inline(__always)
private func fifthBits(_ bits: UInt16) -> Bytes16 {
  let (low, high) = (UInt8(truncatingIfNeeded: bits), UInt8(truncatingIfNeeded: bits &>> 8))
  let spread = Bytes16(lowHalf: SIMD8(repeating: low), highHalf: SIMD8(repeating: high))
  let position = Bytes16(1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128)
  let toTop = Bytes16(128, 64, 32, 16, 8, 4, 2, 1, 128, 64, 32, 16, 8, 4, 2, 1)
  return ((spread & position) &* toTop) &>> 3
}

/// Q5_0: `d · (q − 16)`; the fifth bits of q are a 32-bit word of their own.
func decodeQ50(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
  let d = half(block, 0)
  let fifth = block.loadUnaligned(fromByteOffset: 2, as: UInt32.self)
  let q = bytes16(block, 6)
  let low = (q & 0xF) | fifthBits(UInt16(truncatingIfNeeded: fifth))
  let high = (q &>> 4) | fifthBits(UInt16(truncatingIfNeeded: fifth &>> 16))
  store(floats(signed: low &- 16) * d, target, 0)
  store(floats(signed: high &- 16) * d, target, 16)
}

/// Q5_1: `d · q + m`, with q as in Q5_0.
func decodeQ51(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
  let (d, m) = (half(block, 0), half(block, 2))
  let fifth = block.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
  let q = bytes16(block, 8)
  let low = (q & 0xF) | fifthBits(UInt16(truncatingIfNeeded: fifth))
  let high = (q &>> 4) | fifthBits(UInt16(truncatingIfNeeded: fifth &>> 16))
  store(floats(low) * d + m, target, 0)
  store(floats(high) * d + m, target, 16)
}

/// Q8_0: `d · q` with signed bytes q.
func decodeQ80(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
  let d = half(block, 0)
  store(floats(signed: bytes16(block, 2)) * d, target, 0)
  store(floats(signed: bytes16(block, 18)) * d, target, 16)
}
