import Foundation
import LinearAlgebra

/// Cosines and sines of the rotary angles, position by position; none where queries and keys are not turned.
///
/// Pair `i` of a head is `(x[i], x[i + D/2])`, `D` the head dimension; at position `p` it turns by `p·f[i]` with
/// `f[i] = theta^(−2i/D)` (RoFormer, eq. 15), rescaled as the checkpoint asks. Some scalings lengthen queries and keys, too: cosines and
/// sines are then multiplied by the attention factor.
public struct RotaryEmbedding: Sendable {
  let half: Int
  /// Shape `[positions, D/2]`.
  let cosines: Matrix<Float>
  let sines: Matrix<Float>

  /// - Parameter positions: length of the sequences, on which the frequencies of some scalings depend.
  public init(_ configuration: RotaryConfiguration, headDimension: Int, positions: Int) {
    half = headDimension / 2
    cosines = Matrix(rows: positions, columns: half)
    sines = Matrix(rows: positions, columns: half)
    let frequencies = configuration.frequencies(headDimension: headDimension, length: positions)
    let factor = configuration.attentionFactor
    for position in 0..<positions {
      for (i, frequency) in frequencies.enumerated() {
        // The reference implementations multiply in single precision; so do we, to agree at large positions.
        let angle = Float(position) * frequency
        cosines[position, i] = Float(Foundation.cos(Double(angle))) * factor
        sines[position, i] = Float(Foundation.sin(Double(angle))) * factor
      }
    }
  }

  /// One for each kind of attention of a network.
  static func all(_ configuration: ModelConfiguration, positions: Int) -> [RotaryEmbedding] {
    configuration.block.attention.map {
      RotaryEmbedding($0.rotary, headDimension: configuration.headDimension, positions: $0.isTurned ? positions : 0)
    }
  }

  /// Rotates every head of one row back: the transpose of `apply`, which takes gradients through it.
  public func revert(_ row: UnsafeMutablePointer<Float>, heads: Int, position: Int) {
    if cosines.rows == 0 { return }
    for head in 0..<heads {
      Kernels.rotateBack(
        row + head * 2 * half, cosines: cosines.row(position), sines: sines.row(position), half: half)
    }
  }

  /// Rotates every head of one row in place.
  public func apply(to row: UnsafeMutablePointer<Float>, heads: Int, position: Int) {
    if cosines.rows == 0 { return }
    for head in 0..<heads {
      Kernels.rotate(
        row + head * 2 * half, cosines: cosines.row(position), sines: sines.row(position), half: half)
    }
  }
}
