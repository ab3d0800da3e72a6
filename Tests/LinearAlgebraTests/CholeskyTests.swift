import Foundation
import Runtime
import Testing

@testable import LinearAlgebra

@Suite struct CholeskyTests {
  /// A well-conditioned symmetric positive definite matrix.
  private func positive<Scalar: BLASScalar>(_ order: Int, _: Scalar.Type = Scalar.self) -> Matrix<Scalar> {
    var numbers = Numbers(UInt64(order))
    let x: Matrix<Scalar> = numbers.matrix(2 * order + 3, order)
    let gram = Matrix<Scalar>(rows: order, columns: order)
    accumulateGram(x, accumulate: 0, into: gram)
    mirrorUpperTriangle(gram)
    for i in 0..<order { gram[i, i] += 0.5 }
    return gram
  }

  private func lowerTriangle<Scalar: BLASScalar>(_ factor: CholeskyFactor<Scalar>) -> Matrix<Scalar> {
    let result = Matrix<Scalar>(rows: factor.order, columns: factor.order)
    for i in 0..<factor.order {
      for j in 0...i { result[i, j] = factor.lower[i, j] }
    }
    return result
  }

  private func checkReconstruction<Scalar: BLASScalar>(_: Scalar.Type, order: Int) throws {
    let matrix: Matrix<Scalar> = positive(order)
    let lower = lowerTriangle(try CholeskyFactor(factorising: matrix.copy()))
    #expect((0..<order).allSatisfy { lower[$0, $0] > 0 })
    let product = Matrix<Scalar>(rows: order, columns: order)
    multiply(lower, lower, transposingB: true, into: product)
    #expect(distance(product, matrix) <= Double(Scalar.ulpOfOne) * Double(8 * order + 8))
  }

  /// Orders around those of blocks (64), panels (192) and tiles (512).
  @Test(arguments: [0, 1, 2, 7, 63, 64, 65, 130, 192, 193, 257, 700, 1100])
  func reconstructsTheMatrix(order: Int) throws {
    try checkReconstruction(Float.self, order: order)
    try checkReconstruction(Double.self, order: order)
  }

  @Test func factorisesAWindowAndLeavesTheRestAlone() throws {
    let matrix: Matrix<Double> = positive(9)
    let outer = Matrix<Double>(rows: 12, columns: 14)
    outer.fill(5)
    let window = outer.rows(2..<11).columns(3..<12)
    window.assign(matrix)
    let factor = try CholeskyFactor(factorising: window)
    #expect(distance(lowerTriangle(factor), lowerTriangle(try CholeskyFactor(factorising: matrix))) < 1e-13)
    #expect(outer.elements.count { $0 == 5 } == 12 * 14 - 81)
  }

  @Test func leadingBlockOfTheFactorIsTheFactorOfTheLeadingBlock() throws {
    let matrix: Matrix<Double> = positive(90)
    let whole = lowerTriangle(try CholeskyFactor(factorising: matrix.copy()))
    for order in [1, 16, 47, 89] {
      let leading = matrix.rows(0..<order).columns(0..<order).copy()
      let part = lowerTriangle(try CholeskyFactor(factorising: leading))
      #expect(distance(part, whole.rows(0..<order).columns(0..<order)) < 1e-12)
    }
  }

  @Test(arguments: [1, 2, 20, 60])
  func trianglesSolveWhatTheyMultiply(rows: Int) throws {
    let factor = try CholeskyFactor(factorising: positive(60, Double.self))
    let block = lowerTriangle(factor).rows(0..<rows).columns(0..<rows)
    var numbers = Numbers(3)
    let solution: Matrix<Double> = numbers.matrix(rows, 5)
    for transposed in [false, true] {
      let right = numbers.window(rows, 5, as: Double.self)
      multiply(block, solution, transposingA: transposed, into: right)
      if transposed { factor.solveLowerTransposed(right) } else { factor.solveLower(right) }
      #expect(distance(right, solution) < 1e-11)
    }
  }

  /// Enough columns for the blocks to be inverted, and for several tiles.
  @Test(arguments: [(60, 64), (200, 70), (330, 200), (700, 1100)])
  func trianglesSolveManyColumns(order: Int, columns: Int) throws {
    let factor = try CholeskyFactor(factorising: positive(order, Double.self))
    var numbers = Numbers(5)
    for rows in [order, order - 7] {
      let block = lowerTriangle(factor).rows(0..<rows).columns(0..<rows)
      let solution: Matrix<Double> = numbers.matrix(rows, columns)
      for transposed in [false, true] {
        let right = numbers.window(rows, columns, as: Double.self)
        multiply(block, solution, transposingA: transposed, into: right)
        if transposed { factor.solveLowerTransposed(right) } else { factor.solveLower(right) }
        #expect(distance(right, solution) < 1e-10)
      }
    }
    let right: Matrix<Double> = numbers.matrix(order, columns)
    let expected = Matrix<Double>(rows: order, columns: columns)
    multiply(lowerTriangle(factor), right, transposingA: true, into: expected)
    factor.multiplyTransposed(right)
    #expect(distance(right, expected) < 1e-9)
  }

  @Test(arguments: [1, 2, 64, 130, 300, 700])
  func inverseTimesMatrixIsTheIdentity(order: Int) throws {
    let matrix: Matrix<Double> = positive(order)
    let factor = try CholeskyFactor(factorising: matrix.copy())
    let inverted = matrix.copy()
    try CholeskyFactor.invert(inverted)
    #expect(inverted.elements == factor.inverse().elements)
    for (i, value) in factor.inverseDiagonal().enumerated() { #expect(abs(value / inverted[i, i] - 1) < 1e-9) }
    let product = Matrix<Double>(rows: order, columns: order)
    multiply(matrix, inverted, into: product)
    for i in 0..<order { product[i, i] -= 1 }
    #expect(product.elements.allSatisfy { abs($0) < 1e-9 })
  }

  /// Whatever block it stands in, and on whatever side of the diagonal.
  @Test(arguments: [0, 63, 64, 100, 191, 192, 250, 299])
  func namesTheFirstBadMinor(place: Int) throws {
    for bad in [-1, Double.nan, Double.infinity] {
      let matrix: Matrix<Double> = positive(300)
      matrix[place, place] = bad
      #expect(throws: LinearAlgebraError.notPositiveDefinite(order: place + 1, size: 300)) {
        try CholeskyFactor(factorising: matrix)
      }
    }
  }

  /// A worker computes what all of them do together, bit by bit.
  @Test func tilesDoNotDependOnWhoComputesThem() throws {
    let matrix: Matrix<Double> = positive(1100)
    let together = try CholeskyFactor(factorising: matrix.copy())
    let alone = Results(count: 2)
    try Threads.forEach(2) { task, _ in alone[task] = try CholeskyFactor(factorising: matrix.copy()).lower }
    for task in 0..<2 {
      for i in 0..<1100 {
        for j in 0...i where alone[task]?[i, j] != together.lower[i, j] { Issue.record("element \(i), \(j)") }
      }
    }
  }

  private final class Results: @unchecked Sendable {
    private let lock = NSLock()
    private var values: [Matrix<Double>?]
    init(count: Int) { values = Array(repeating: nil, count: count) }
    subscript(index: Int) -> Matrix<Double>? {
      get { lock.withLock { values[index] } }
      set { lock.withLock { values[index] = newValue } }
    }
  }

  @Test func solvesInSinglePrecision() throws {
    let factor = try CholeskyFactor(factorising: positive(30, Float.self))
    let lower = lowerTriangle(factor)
    var numbers = Numbers(4)
    let solution: Matrix<Float> = numbers.matrix(30, 3)
    let right = Matrix<Float>(rows: 30, columns: 3)
    multiply(lower, solution, into: right)
    factor.solveLower(right)
    #expect(distance(right, solution) < 1e-4)
    multiply(lower, solution, transposingA: true, into: right)
    factor.solveLowerTransposed(right)
    #expect(distance(right, solution) < 1e-4)
  }

  private func checkTransposedProduct<Scalar: BLASScalar>(_: Scalar.Type) throws {
    let factor = try CholeskyFactor(factorising: positive(40, Scalar.self))
    var numbers = Numbers(5)
    let matrix = numbers.window(40, 6, as: Scalar.self)
    let expected = Matrix<Scalar>(rows: 40, columns: 6)
    multiply(lowerTriangle(factor), matrix, transposingA: true, into: expected)
    factor.multiplyTransposed(matrix)
    #expect(distance(matrix, expected) <= tolerance(Scalar.self, terms: 40) * 8)
  }

  @Test func multipliesByTheTransposedFactor() throws {
    try checkTransposedProduct(Float.self)
    try checkTransposedProduct(Double.self)
  }

  @Test func emptySidesAreLeftAlone() throws {
    let factor = try CholeskyFactor(factorising: positive(3, Double.self))
    for empty in [Matrix<Double>(rows: 0, columns: 4), Matrix<Double>(rows: 3, columns: 0)] {
      factor.solveLower(empty)
      factor.solveLowerTransposed(empty)
    }
    factor.multiplyTransposed(Matrix<Double>(rows: 3, columns: 0))
    let none = try CholeskyFactor(factorising: Matrix<Double>(rows: 0, columns: 0))
    #expect(none.order == 0)
  }

  @Test(arguments: [0, 1, 40, 69])
  func namesTheFirstMinorThatIsNotPositive(index: Int) {
    let matrix: Matrix<Double> = positive(70)
    matrix[index, index] = -1
    #expect(throws: LinearAlgebraError.notPositiveDefinite(order: index + 1, size: 70)) {
      try CholeskyFactor(factorising: matrix)
    }
  }

  @Test func singularMatrixIsAnError() {
    #expect(throws: LinearAlgebraError.notPositiveDefinite(order: 1, size: 4)) {
      try CholeskyFactor(factorising: Matrix<Float>(rows: 4, columns: 4))
    }
    let ones = Matrix<Double>(rows: 3, columns: 3)
    ones.fill(1)
    #expect(throws: LinearAlgebraError.notPositiveDefinite(order: 2, size: 3)) {
      try CholeskyFactor(factorising: ones)
    }
  }

  private func checkNonFinite<Scalar: BLASScalar>(_: Scalar.Type, _ value: Scalar, order: Int) {
    for (row, column) in [(0, 0), (order - 1, 0), (order / 2, order / 2), (order - 1, order - 1), (order / 2, 1)] {
      let matrix: Matrix<Scalar> = positive(order)
      matrix[row, column] = value
      matrix[column, row] = value
      #expect(throws: LinearAlgebraError.self, "\(value) at \(row), \(column) of \(order)") {
        try CholeskyFactor(factorising: matrix)
      }
    }
  }

  /// Orders below and above the blocking of the library.
  @Test(arguments: [3, 20, 150, 300])
  func nonFiniteElementsAreAnError(order: Int) {
    checkNonFinite(Float.self, .nan, order: order)
    checkNonFinite(Double.self, .nan, order: order)
    checkNonFinite(Double.self, .infinity, order: order)
  }

  @Test func errorSaysOrderAndMinor() {
    let error = LinearAlgebraError.notPositiveDefinite(order: 2, size: 3)
    #expect(error.description == "matrix of order 3 is not positive definite (leading minor 2)")
  }
}
