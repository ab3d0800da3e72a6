import Checkpoints
import LinearAlgebra

/// The scales of a matrix of 8-bit floats: what is stored times its scale is the weight.
struct ScaledMatrix {
  let scales: Tensor
  /// Rows and columns that share a scale.
  private let block: (rows: Int, columns: Int)
  /// Scales in a row of blocks.
  private let across: Int

  /// Finds how many rows and columns share a scale by the shape of `scales`: one number, one a row, or one a block.
  ///
  /// - Parameter size: rows and columns of a block, where the configuration says so.
  /// - Throws: `ModelError.wrongShape`.
  init(_ scales: Tensor, rows: Int, columns: Int, block size: [Int]?) throws {
    self.scales = scales
    let shape = scales.shape
    if shape.allSatisfy({ $0 == 1 }) {
      block = (max(1, rows), max(1, columns))
      across = 1
    } else if shape == [rows] || shape == [rows, 1] {
      block = (1, max(1, columns))
      across = 1
    } else {
      let size = size ?? [0, 0]
      let expected = zip([rows, columns], size).map { $1 > 0 ? ($0 + $1 - 1) / $1 : 0 }
      guard shape == expected else {
        throw ModelError.wrongShape(
          file: scales.file, tensor: scales.name, found: shape, expected: size[0] > 0 ? expected : [rows, 1])
      }
      block = (size[0], size[1])
      across = expected[1]
    }
  }

  /// Multiplies a matrix that was widened.
  func scale(_ matrix: Matrix<Float>) throws {
    let values = try scales.floats()
    for row in 0..<matrix.rows {
      let target = matrix.row(row)
      for part in 0..<across {
        let scale = values[row / block.rows * across + part]
        let start = part * block.columns
        for column in start..<min(start + block.columns, matrix.columns) { target[column] *= scale }
      }
    }
  }
}
