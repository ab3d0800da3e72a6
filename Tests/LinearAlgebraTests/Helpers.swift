import Foundation

@testable import LinearAlgebra

/// Numbers that look random and are the same everywhere (a 64-bit linear congruential generator, its upper bits).
struct Numbers {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 0x1234_5678_9ABC_DEF1 }

  /// Uniform in -1 ..< 1.
  mutating func next() -> Double {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Double(state >> 11) * 0x1p-52 - 1
  }

  mutating func floats(_ count: Int, scale: Double = 1) -> [Float] { (0..<count).map { _ in Float(next() * scale) } }

  mutating func matrix<Scalar: BLASScalar>(_ rows: Int, _ columns: Int, as: Scalar.Type = Scalar.self) -> Matrix<Scalar>
  {
    Matrix((0..<rows * columns).map { _ in Scalar(next()) }, rows: rows, columns: columns)
  }

  /// A window into a larger matrix whose other elements are NaN, so that reading one of them shows.
  mutating func window<Scalar: BLASScalar>(_ rows: Int, _ columns: Int, as: Scalar.Type = Scalar.self) -> Matrix<Scalar>
  {
    let outer = Matrix<Scalar>(rows: rows + 3, columns: columns + 5)
    outer.fill(.nan)
    let inner = outer.rows(2..<rows + 2).columns(1..<columns + 1)
    for i in 0..<rows {
      for j in 0..<columns { inner[i, j] = Scalar(next()) }
    }
    return inner
  }
}

/// Largest absolute difference; infinite where shapes differ or a value is NaN.
func distance<Scalar: BLASScalar>(_ a: Matrix<Scalar>, _ b: Matrix<Scalar>) -> Double {
  guard a.rows == b.rows, a.columns == b.columns else { return .infinity }
  var worst = 0.0
  for i in 0..<a.rows {
    for j in 0..<a.columns {
      let difference = abs(Double(a[i, j]) - Double(b[i, j]))
      if !(difference <= worst) { worst = difference.isNaN ? .infinity : difference }
    }
  }
  return worst
}

/// Sizes around the vector width and beyond.
let kernelCounts = [0, 1, 2, 15, 16, 17, 31, 32, 33, 100]

/// Rounding of a sum of `terms` products below one.
func tolerance<Scalar: BLASScalar>(_: Scalar.Type, terms: Int) -> Double {
  Double(Scalar.ulpOfOne) * Double(max(1, terms)) * 4
}

extension Kernels {
  /// `log Σ exp(x)`, stable.
  static func logSumExp(_ x: UnsafePointer<Float>, count: Int) -> Float {
    let peak = maximum(x, count: count)
    return peak + Float(Foundation.log(Double(sumExp(x, minus: peak, count: count))))
  }
}
