import LinearAlgebra
import Testing

@Suite struct EigenvalueTests {
  @Test func twoByTwo() {
    let found = SymmetricEigenvalues(Matrix([2, 1, 1, 2], rows: 2, columns: 2))
    #expect(abs(found.values[0] - 3) < 1e-14 && abs(found.values[1] - 1) < 1e-14)
    #expect(abs(found.vectors[0, 0] - found.vectors[0, 1]) < 1e-14)
    #expect(abs(found.vectors[1, 0] + found.vectors[1, 1]) < 1e-14)
  }

  /// `A = Vᵀ·Λ·V` with orthonormal rows of `V`, the largest value first; the matrix stays as it was.
  @Test(arguments: [1, 5, 64]) func theyMakeTheMatrixAgain(order: Int) {
    var random = SeededGenerator(seed: 3)
    let matrix = Matrix<Double>(rows: order, columns: order)
    for i in 0..<order {
      for j in 0...i { (matrix[i, j], matrix[j, i]) = { ($0, $0) }(2 * random.unit() - 1) }
    }
    let before = matrix.elements
    let found = SymmetricEigenvalues(matrix)
    #expect(matrix.elements == before && found.values == found.values.sorted(by: >))
    let scaled = found.vectors.copy()
    for i in 0..<order { for j in 0..<order { scaled[i, j] *= found.values[i] } }
    let (again, square) = (Matrix<Double>(rows: order, columns: order), Matrix<Double>(rows: order, columns: order))
    multiply(found.vectors, scaled, transposingA: true, into: again)
    multiply(found.vectors, found.vectors, transposingB: true, into: square)
    for i in 0..<order {
      for j in 0..<order {
        #expect(abs(again[i, j] - matrix[i, j]) < 1e-12 && abs(square[i, j] - (i == j ? 1 : 0)) < 1e-12)
      }
    }
  }

  @Test func ofNothing() { #expect(SymmetricEigenvalues(Matrix(rows: 0, columns: 0)).values.isEmpty) }
}
