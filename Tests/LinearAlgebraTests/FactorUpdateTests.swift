import Foundation
import LinearAlgebra
import Testing

@Suite struct FactorUpdateTests {
  /// `A·Aᵀ + I` for a random `A`.
  private func positive(_ order: Int) -> Matrix<Double> {
    var generator = SeededGenerator(seed: 12)
    let a = Matrix((0..<order * order).map { _ in generator.unit() - 0.5 }, rows: order, columns: order)
    let result = Matrix<Double>(rows: order, columns: order)
    multiply(a, a, transposingB: true, into: result)
    for i in 0..<order { result[i, i] += 1 }
    return result
  }

  @Test func aRowMoreEqualsFactorisingAgain() throws {
    let matrix = positive(40)
    let whole = try CholeskyFactor(factorising: matrix.copy())
    let part = try CholeskyFactor(factorising: matrix.rows(0..<39).columns(0..<39).copy())
    let extended = try part.extended(column: (0..<39).map { matrix[39, $0] }, diagonal: matrix[39, 39])
    for i in 0..<40 {
      for j in 0...i { #expect(abs(extended.lower[i, j] - whole.lower[i, j]) < 1e-12) }
    }
    let first = try CholeskyFactor<Double>(factorising: Matrix(rows: 0, columns: 0))
    #expect(try first.extended(column: [], diagonal: 4).lower[0, 0] == 2)
  }

  @Test func aRowThatDependsOnOthersIsRefused() throws {
    let factor = try CholeskyFactor(factorising: Matrix<Double>([1, 0, 0, 1], rows: 2, columns: 2))
    #expect(throws: LinearAlgebraError.notPositiveDefinite(order: 3, size: 3)) {
      try factor.extended(column: [1, 0], diagonal: 1)
    }
    #expect(throws: LinearAlgebraError.self) { try factor.extended(column: [.nan, 0], diagonal: 1) }
  }

  @Test func theInverseTimesTheMatrixIsTheIdentity() throws {
    let matrix = positive(70)
    let inverse = try CholeskyFactor(factorising: matrix.copy()).inverse()
    let product = Matrix<Double>(rows: 70, columns: 70)
    multiply(matrix, inverse, into: product)
    for i in 0..<70 {
      for j in 0..<70 { #expect(abs(product[i, j] - (i == j ? 1 : 0)) < 1e-12) }
    }
  }

  @Test func exponentialsAreExactToTheLastDigits() {
    var values = stride(from: -700.0, through: 700, by: 0.37).map { $0 } + [0, -0.0, 1e-300, -1e-9]
    let expected = values.map { exp($0) }
    Kernels.exponentials(&values, count: values.count)
    #expect(zip(values, expected).allSatisfy { abs($0 / $1 - 1) < 2e-15 })
    var far: [Double] = [-1e4, -.infinity, -709]
    Kernels.exponentials(&far, count: 3)
    #expect(far.allSatisfy { $0 >= 0 && $0 < 1e-307 })
  }
}
