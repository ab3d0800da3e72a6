/// The exponential of many numbers at once, in double precision.
extension Kernels {
  private typealias Wide = SIMD8<Double>

  /// `x ← exp(x)` for x ≤ 709, relative error below 1e-15; what is below −708 gives about 1e-308.
  ///
  /// x = n·ln2 + r with |r| ≤ ln2/2; exp(r) by its Taylor polynomial of degree 12 in Horner form, 2ⁿ through the
  /// exponent bits. Adding and subtracting 1.5·2⁵² rounds to the nearest integer. An element's result does not depend
  /// on its place.
  public static func exponentials(_ x: UnsafeMutablePointer<Double>, count: Int) {
    let lanes = Wide.scalarCount
    var i = 0
    while i + lanes <= count {
      let place = UnsafeMutableRawPointer(x + i)
      place.storeBytes(of: exp(place.loadUnaligned(as: Wide.self)), as: Wide.self)
      i += lanes
    }
    if i == count { return }
    var tail = Wide(repeating: 0)
    for lane in 0..<count - i { tail[lane] = x[i + lane] }
    tail = exp(tail)
    for lane in 0..<count - i { x[i + lane] = tail[lane] }
  }

  @inline(__always)
  private static func exp(_ x: Wide) -> Wide {
    let clamped = x.replacing(with: -708, where: x .< -708)
    let magic = Wide(repeating: 6_755_399_441_055_744)
    let shifted = clamped * 1.442_695_040_888_963_4 + magic
    let n = shifted - magic
    let r = (clamped - n * 0.693_147_180_369_123_8) - n * 1.908_214_929_270_587_7e-10
    var p = r * 2.087_675_698_786_810e-9 + 2.505_210_838_544_172e-8
    p = p * r + 2.755_731_922_398_589e-7
    p = p * r + 2.755_731_922_398_589_1e-6
    p = p * r + 2.480_158_730_158_730_2e-5
    p = p * r + 1.984_126_984_126_984_1e-4
    p = p * r + 1.388_888_888_888_889e-3
    p = p * r + 8.333_333_333_333_333e-3
    p = p * r + 4.166_666_666_666_666_4e-2
    p = p * r + 0.166_666_666_666_666_66
    p = p * r + 0.5
    p = p * r + 1
    p = p * r + 1
    let exponent = unsafeBitCast(shifted, to: SIMD8<Int64>.self) &- unsafeBitCast(magic, to: SIMD8<Int64>.self)
    return unsafeBitCast(unsafeBitCast(p, to: SIMD8<Int64>.self) &+ (exponent &<< 52), to: Wide.self)
  }
}
