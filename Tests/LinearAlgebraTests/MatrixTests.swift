import Testing

@testable import LinearAlgebra

@Suite struct MatrixTests {
  private let matrix = Matrix<Float>((0..<12).map(Float.init), rows: 3, columns: 4)

  @Test func startsAsZerosAtAnAlignedAddress() {
    let matrix = Matrix<Float>(rows: 7, columns: 5)
    #expect(matrix.elements == Array(repeating: 0, count: 35))
    #expect(Int(bitPattern: matrix.pointer) % 64 == 0)
    #expect(matrix.isContiguous && matrix.count == 35 && matrix.stride == 5)
  }

  @Test func viewsShareMemoryWithTheirParent() {
    let view = matrix.rows(1..<3).columns(1..<3)
    #expect(view.elements == [5, 6, 9, 10])
    #expect(!view.isContiguous && view.stride == 4)
    view[1, 0] = -1
    #expect(matrix[2, 1] == -1)
    matrix[1, 2] = -2
    #expect(view[0, 1] == -2)
  }

  @Test func copiesDoNotShareMemory() {
    let copy = matrix.columns(2..<4).copy()
    #expect(copy.isContiguous && copy.elements == [2, 3, 6, 7, 10, 11])
    copy[0, 0] = 99
    #expect(matrix[0, 2] == 2)
  }

  @Test func viewsKeepTheirMemoryAlive() {
    func last() -> Matrix<Float> { Matrix((0..<10_000).map(Float.init), rows: 100, columns: 100).rows(99..<100) }
    let view = last()
    _ = (0..<8).map { _ in Matrix<Float>(rows: 100, columns: 100) }
    #expect(view[0, 0] == 9900 && view[0, 99] == 9999)
  }

  @Test func fillAndAssignStayInsideTheirWindow() {
    let window = matrix.rows(0..<2).columns(1..<3)
    window.fill(-7)
    #expect(matrix.elements == [0, -7, -7, 3, 4, -7, -7, 7, 8, 9, 10, 11])
    window.assign(Matrix([1, 2, 3, 4], rows: 2, columns: 2))
    #expect(matrix.elements == [0, 1, 2, 3, 4, 3, 4, 7, 8, 9, 10, 11])
  }

  @Test func gathersRowsAndColumnsInTheOrderGiven() {
    #expect(matrix.gatherRows([2, 0, 2]).elements == [8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11])
    #expect(matrix.gatherColumns([3, 0]).elements == [3, 0, 7, 4, 11, 8])
    #expect(matrix.columns(1..<4).gatherRows([1]).elements == [5, 6, 7])
    #expect(matrix.columns(1..<4).gatherColumns([2, 2]).elements == [3, 3, 7, 7, 11, 11])
    let none = matrix.gatherRows([])
    #expect(none.rows == 0 && none.columns == 4)
  }

  /// Sizes beside the tile of 16, and a strided view.
  @Test(arguments: [(1, 1), (3, 4), (16, 16), (17, 33), (40, 15), (0, 3)])
  func transposes(rows: Int, columns: Int) {
    var numbers = Numbers(1)
    let matrix: Matrix<Double> = numbers.window(rows, columns)
    let transposed = matrix.transposedNarrowed()
    #expect(transposed.rows == columns && transposed.columns == rows)
    for i in 0..<rows {
      for j in 0..<columns { #expect(transposed[j, i] == Float(matrix[i, j])) }
    }
  }

  @Test func foldsOneRowIntoSeveral() {
    let folded = matrix.rows(1..<2).columns(0..<4).folded(columns: 2)
    #expect(folded.elements == [4, 5, 6, 7] && folded.rows == 2)
    folded[1, 0] = 60
    #expect(matrix[1, 2] == 60)
    #expect(matrix.reshaped(rows: 2, columns: 5).elements == [0, 1, 2, 3, 4, 5, 60, 7, 8, 9])
  }

  @Test func convertsBetweenPrecisions() {
    let wide = Matrix<Double>([1, 0.1, -1e-3, 3e30], rows: 2, columns: 2)
    let narrow = wide.transposedNarrowed()
    #expect(narrow.elements == [1, -1e-3, 0.1, 3e30])
    #expect(narrow.columns(1..<2).widened().elements == [Double(Float(-1e-3)), Double(Float(3e30))])
  }

  @Test(arguments: [1, 2, 31, 32, 33, 70])
  func mirrorsTheUpperTriangle(order: Int) {
    var numbers = Numbers(2)
    let matrix: Matrix<Float> = numbers.matrix(order, order)
    let original = matrix.copy()
    mirrorUpperTriangle(matrix)
    for i in 0..<order {
      for j in 0..<order { #expect(matrix[i, j] == original[min(i, j), max(i, j)]) }
    }
  }
}
