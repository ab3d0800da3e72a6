import CKernels

/// The precision of the factors in the products of a forward pass. Sums are in single precision either way.
public enum Precision: String, Codable, Sendable, CaseIterable {
  case single = "f32"
  /// The upper half of a single: eight bits of exponent and seven of fraction.
  case bfloat16 = "bf16"

  /// Whether the processor is fast at products in this precision.
  public var isSupported: Bool { self == .single || nas_bfloat16_is_supported() }

  /// The precision with the faster products on this processor; single precision if both are equally fast.
  ///
  /// Measures for some ten milliseconds, once.
  public static let fastest: Precision = {
    if !Precision.bfloat16.isSupported { return .single }
    return seconds(.bfloat16) < 0.8 * seconds(.single) ? .bfloat16 : .single
  }()

  /// The shortest time of a product on one worker, of a size that stays in the cache.
  private static func seconds(_ precision: Precision) -> Double {
    let (rows, order) = (96, 512)
    let (x, y) = (Matrix<Float>(rows: rows, columns: order), Matrix<Float>(rows: rows, columns: order))
    let left = PackedRows(x, precision, in: PackedBuffer(rows: rows, columns: order))
    let right = PackedWeight(Matrix<Float>(rows: order, columns: order), precision)
    return (0..<20).reduce(.infinity) { best, _ in
      let start = ContinuousClock.now
      multiply(left, right, into: y)
      return min(best, (ContinuousClock.now - start) / .seconds(1))
    }
  }
}

extension Kernels {
  /// Rounds to bfloat16, to the nearest, ties to even.
  public static func roundToBfloat16(_ x: UnsafeMutablePointer<Float>, count: Int) { nas_bfloat16_round(x, count) }
}
