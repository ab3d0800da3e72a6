import LinearAlgebra

/// The two orders of the rows of a head in Q and K.
///
/// The reference rotates row `j` with row `j + D/2` (half-split). llama.cpp's "normal" rope rotates rows `2j` and
/// `2j + 1` (interleaved), and files for it store the rows accordingly.
public enum RotaryRows {
  /// `result[i]` is the half-split row that stands at place `i` of an interleaved file.
  public static func interleaved(rows: Int, headDimension: Int) -> [Int] {
    (0..<rows).map { row in
      let head = row / headDimension * headDimension
      let place = row % headDimension
      return head + place / 2 + (place % 2) * (headDimension / 2)
    }
  }

  /// `result[i]` is the interleaved row that stands at place `i` of the half-split order: the inverse.
  public static func halfSplit(rows: Int, headDimension: Int) -> [Int] {
    var inverse = Array(repeating: 0, count: rows)
    for (place, row) in interleaved(rows: rows, headDimension: headDimension).enumerated() { inverse[row] = place }
    return inverse
  }
}

extension Linear {
  /// The same map with its outputs in another order.
  public func reorderingOutputs(_ order: [Int]) -> Linear {
    Linear(weight: weight.gatherRows(order), bias: bias.map { bias in order.map { bias[$0] } })
  }
}
