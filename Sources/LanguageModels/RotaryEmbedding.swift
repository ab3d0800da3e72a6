import Foundation
import LinearAlgebra

/// Cosines and sines of the rotary angles, position by position.
///
/// Pair `i` of a head is `(x[i], x[i + D/2])`, `D` the head dimension; at position `p` it turns by `p·f[i]` with
/// `f[i] = theta^(−2i/D)` (RoFormer, eq. 15), rescaled as the checkpoint asks.
struct RotaryEmbedding: Sendable {
  let half: Int
  /// Shape `[positions, D/2]`.
  let cosines: Matrix<Float>
  let sines: Matrix<Float>

  init(_ configuration: RotaryConfiguration, headDimension: Int, positions: Int) {
    half = headDimension / 2
    cosines = Matrix(rows: positions, columns: half)
    sines = Matrix(rows: positions, columns: half)
    let frequencies = configuration.frequencies(headDimension: headDimension)
    for position in 0..<positions {
      for (i, frequency) in frequencies.enumerated() {
        // The reference implementations multiply in single precision; so do we, to agree at large positions.
        let angle = Float(position) * Float(frequency)
        cosines[position, i] = Float(Foundation.cos(Double(angle)))
        sines[position, i] = Float(Foundation.sin(Double(angle)))
      }
    }
  }

  /// Rotates every head of one row back: the transpose of `apply`, which takes gradients through it.
  func revert(_ row: UnsafeMutablePointer<Float>, heads: Int, position: Int) {
    for head in 0..<heads {
      Kernels.rotateBack(
        row + head * 2 * half, cosines: cosines.row(position), sines: sines.row(position), half: half)
    }
  }

  /// Rotates every head of every row in place; rows are whole windows of `length` positions.
  func apply(to rows: Matrix<Float>, heads: Int, length: Int) {
    for i in 0..<rows.rows { apply(to: rows.row(i), heads: heads, position: i % length) }
  }

  /// Rotates every head of one row in place.
  func apply(to row: UnsafeMutablePointer<Float>, heads: Int, position: Int) {
    for head in 0..<heads {
      Kernels.rotate(
        row + head * 2 * half, cosines: cosines.row(position), sines: sines.row(position), half: half)
    }
  }
}

extension RotaryConfiguration {
  /// Angular frequencies of the pairs, in radians per position, after scaling.
  public func frequencies(headDimension: Int) -> [Double] {
    let base = (0..<headDimension / 2).map { pow(theta, -2 * Double($0) / Double(headDimension)) }
    return zip(base, frequencyDivisors(headDimension: headDimension)).map { $0 / Double($1) }
  }

  /// What each base frequency is divided by: ones where there is no scaling.
  public func frequencyDivisors(headDimension: Int) -> [Float] {
    let half = headDimension / 2
    switch scaling {
    case .none:
      return Array(repeating: 1, count: half)
    case .linear(let factor):
      return Array(repeating: Float(factor), count: half)
    case .factors(let factors):
      return factors
    case .llama3(let factor, let lowFrequency, let highFrequency, let originalContext):
      // Long wavelengths are interpolated by `factor`, short ones left alone, those between blended linearly.
      return (0..<half).map { i in
        let frequency = pow(theta, -2 * Double(i) / Double(headDimension))
        let wavelength = 2 * Double.pi / frequency
        if wavelength < originalContext / highFrequency { return 1 }
        if wavelength > originalContext / lowFrequency { return Float(factor) }
        let smooth = (originalContext / wavelength - lowFrequency) / (highFrequency - lowFrequency)
        return Float(1 / ((1 - smooth) / factor + smooth))
      }
    }
  }
}
