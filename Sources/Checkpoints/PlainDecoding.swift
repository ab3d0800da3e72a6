import CKernels

/// Decodes `count` elements of any type to Float32.
///
/// - Parameters:
///   - source: the encoded elements, at any alignment; quantised types begin at a block.
///   - count: number of elements, a multiple of the type's block size.
func decode(
  _ type: ElementType, from source: UnsafeRawPointer, count: Int, to target: UnsafeMutablePointer<Float>
) {
  switch type {
  case .f32: UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: count * MemoryLayout<Float>.size)
  case .f16: kernels.widen_half(source, target, count)
  // bfloat16 is the upper half of a binary32.
  case .bf16: convert(UInt16.self, source, count, target) { Float(bitPattern: UInt32(truncatingIfNeeded: $0) &<< 16) }
  case .f64: convert(Double.self, source, count, target) { Float($0) }
  case .i64: convert(Int64.self, source, count, target) { Float($0) }
  case .i32: convert(Int32.self, source, count, target) { Float($0) }
  case .i16: convert(Int16.self, source, count, target) { Float($0) }
  case .i8: convert(Int8.self, source, count, target) { Float($0) }
  case .u64: convert(UInt64.self, source, count, target) { Float($0) }
  case .u32: convert(UInt32.self, source, count, target) { Float($0) }
  case .u16: convert(UInt16.self, source, count, target) { Float($0) }
  case .u8: convert(UInt8.self, source, count, target) { Float($0) }
  case .bool: convert(UInt8.self, source, count, target) { $0 == 0 ? 0 : 1 }
  case .f8E4M3: convert(UInt8.self, source, count, target, table: Float8.e4m3)
  case .f8E5M2: convert(UInt8.self, source, count, target, table: Float8.e5m2)
  case .f8E8M0: convert(UInt8.self, source, count, target, table: Float8.e8m0)
  case .q40: eachBlock(type, source, count, target, decodeQ40)
  case .q41: eachBlock(type, source, count, target, decodeQ41)
  case .q50: eachBlock(type, source, count, target, decodeQ50)
  case .q51: eachBlock(type, source, count, target, decodeQ51)
  case .q80: eachBlock(type, source, count, target, decodeQ80)
  case .q2K: eachBlock(type, source, count, target, decodeQ2K)
  case .q3K: eachBlock(type, source, count, target, decodeQ3K)
  case .q4K: eachBlock(type, source, count, target, decodeQ4K)
  case .q5K: eachBlock(type, source, count, target, decodeQ5K)
  case .q6K: eachBlock(type, source, count, target, decodeQ6K)
  case .iq4NL: eachBlock(type, source, count, target, decodeIQ4NL)
  case .iq4XS: eachBlock(type, source, count, target, decodeIQ4XS)
  case .mxfp4: eachBlock(type, source, count, target, decodeMXFP4)
  case .tq10: eachBlock(type, source, count, target, decodeTQ10)
  case .tq20: eachBlock(type, source, count, target, decodeTQ20)
  }
}

@inline(__always)
private func eachBlock(
  _ type: ElementType, _ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>,
  _ decodeBlock: (UnsafeRawPointer, UnsafeMutablePointer<Float>) -> Void
) {
  let (elements, bytes) = (type.blockSize, type.bytesPerBlock)
  for block in 0..<count / elements {
    decodeBlock(source + block &* bytes, target + block &* elements)
  }
}

@inline(__always)
private func convert<Stored: BitwiseCopyable>(
  _ type: Stored.Type, _ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>,
  _ float: (Stored) -> Float
) {
  for i in 0..<count {
    target[i] = float(source.loadUnaligned(fromByteOffset: i &* MemoryLayout<Stored>.stride, as: Stored.self))
  }
}

/// Looks every byte up.
private func convert(
  _ type: UInt8.Type, _ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>, table: [Float]
) {
  table.withUnsafeBufferPointer { table in
    for i in 0..<count { target[i] = table[Int(source.load(fromByteOffset: i, as: UInt8.self))] }
  }
}

private let kernels = nas_best_kernels().pointee
