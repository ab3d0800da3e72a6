import CKernels
import Runtime
import Testing

@testable import LinearAlgebra

@Suite struct PackedProductTests {
  /// To the nearest, ties to even.
  @Test func rounding() {
    let cases: [(Float, Float)] = [
      (0, 0), (-0.0, -0.0), (1, 1), (1 + 0x1p-8, 1), (1 + 0x1p-8 + 0x1p-20, 1 + 0x1p-7), (1 + 0x3p-8, 1 + 0x1p-6),
      (-1 - 0x1p-9, -1), (.infinity, .infinity), (.greatestFiniteMagnitude, .infinity), (0x1p-126, 0x1p-126),
    ]
    var values = cases.map(\.0) + [.nan]
    Kernels.roundToBfloat16(&values, count: values.count)
    for (found, (_, expected)) in zip(values, cases) { #expect(found.bitPattern == expected.bitPattern) }
    #expect(values[cases.count].isNaN)
  }

  /// The factors as a precision has them.
  private func rounded(_ x: Matrix<Float>, _ precision: Precision) -> Matrix<Double> {
    let copy = x.copy()
    if precision == .bfloat16 { Kernels.roundToBfloat16(copy.pointer, count: copy.count) }
    return copy.widened()
  }

  /// `C = X·Wᵀ` in double precision, of the rounded factors, by loops.
  private func product(_ x: Matrix<Float>, _ w: Matrix<Float>, _ precision: Precision) -> Matrix<Double> {
    let (x, w) = (rounded(x, precision), rounded(w, precision))
    let c = Matrix<Double>(rows: x.rows, columns: w.rows)
    for i in 0..<x.rows {
      for j in 0..<w.rows { c[i, j] = (0..<x.columns).reduce(0) { $0 + x[i, $1] * w[j, $1] } }
    }
    return c
  }

  /// All implementations that the processor has.
  private static func products(_ precision: Precision) -> [PackedProduct] {
    if precision == .bfloat16 { return [nas_bfloat16_multiply, nas_bfloat16_multiply_portable] }
    return [nas_single_multiply] + [nas_single_multiply_with(NAS_PORTABLE)].compactMap { $0 } + variants
  }

  /// Those in single precision that give the same bits.
  private static var variants: [PackedProduct] {
    [NAS_AVX2, NAS_AVX512].compactMap { nas_single_multiply_with($0) }
  }

  /// Sizes around the panels, and long sums.
  private static let shapes = [
    (1, 1, 1), (12, 32, 2), (13, 33, 3), (11, 16, 31), (25, 17, 32), (24, 64, 33), (37, 95, 64), (5, 49, 65),
    (3, 7, 4500), (130, 40, 2049),
  ]

  @Test(arguments: Precision.allCases, shapes)
  func productsOfRoundedFactors(precision: Precision, shape: (m: Int, n: Int, k: Int)) {
    let (m, n, k) = shape
    var numbers = Numbers(UInt64(m * 10_000 + n * 100 + k))
    let (x, w): (Matrix<Float>, Matrix<Float>) = (numbers.window(m, k), numbers.window(n, k))
    let expected = product(x, w, precision)
    let left = PackedRows(x, precision, in: PackedBuffer(rows: m, columns: k))
    let transposed = Matrix<Float>(rows: k, columns: n)
    for i in 0..<n {
      for j in 0..<k { transposed[j, i] = w[i, j] }
    }
    for product in Self.products(precision) {
      for right in [PackedWeight(w, precision), PackedWeight(transposeOf: transposed, precision)] {
        let outer = Matrix<Float>(rows: m + 2, columns: n + 2)
        outer.fill(7)
        let c = outer.rows(1..<m + 1).columns(1..<n + 1)
        c.fill(.nan)
        multiply(left, right, outputs: 0..<n, inputs: 0..<k, accumulating: false, into: c, with: product)
        #expect(distance(c.widened(), expected) <= tolerance(Float.self, terms: k))
        multiply(left, right, outputs: 0..<n, inputs: 0..<k, accumulating: true, into: c, with: product)
        for i in 0..<m {
          for j in 0..<n { #expect(abs(Double(c[i, j]) - 2 * expected[i, j]) <= 2 * tolerance(Float.self, terms: k)) }
        }
        // Nothing around it is written.
        c.fill(7)
        #expect(outer.elements.allSatisfy { $0 == 7 })
      }
    }
  }

  /// Whatever instructions multiply and add at once give the same bits.
  @Test(arguments: shapes) func instructionsDoNotMatter(m: Int, n: Int, k: Int) {
    var numbers = Numbers(UInt64(m + n + k))
    let left = PackedRows(numbers.matrix(m, k), .single, in: PackedBuffer(rows: m, columns: k))
    let right = PackedWeight(numbers.matrix(n, k), .single)
    let start: Matrix<Float> = numbers.matrix(m, n)
    let results = Self.variants.map { product in
      [false, true].map { accumulating in
        let c = start.copy()
        multiply(left, right, outputs: 0..<n, inputs: 0..<k, accumulating: accumulating, into: c, with: product)
        return c.elements
      }
    }
    for result in results { #expect(result == results[0]) }
  }

  /// Large operands are packed and multiplied by several workers, small ones by one.
  @Test(arguments: Precision.allCases) func workersDoNotMatter(precision: Precision) throws {
    var numbers = Numbers(3)
    let (x, w): (Matrix<Float>, Matrix<Float>) = (numbers.matrix(200, 600), numbers.matrix(700, 600))
    let results = (0..<2).map { _ in Matrix<Float>(rows: x.rows, columns: w.rows) }
    @Sendable func run(into c: Matrix<Float>) {
      let left = PackedRows(x, precision, in: PackedBuffer(rows: x.rows, columns: x.columns))
      multiply(left, PackedWeight(w, precision), into: c)
    }
    run(into: results[0])
    try Threads.forEach(2) { task, _ in if task == 1 { run(into: results[1]) } }
    #expect(results[0].elements == results[1].elements)
  }

  @Test(arguments: Precision.allCases) func partsOfAWeight(precision: Precision) {
    var numbers = Numbers(5)
    let (w, x): (Matrix<Float>, Matrix<Float>) = (numbers.matrix(101, 77), numbers.matrix(14, 77))
    let weight = PackedWeight(w, precision)
    let buffer = PackedBuffer(rows: 14, columns: 77)
    for (outputs, inputs) in [(32..<101, 0..<77), (64..<65, 0..<77), (32..<96, 10..<77), (0..<101, 4..<9)] {
      let c = Matrix<Float>(rows: 14, columns: outputs.count)
      multiply(PackedRows(x.columns(inputs), precision, in: buffer), weight, outputs: outputs, inputs: inputs, into: c)
      let expected = product(x.columns(inputs).copy(), w.rows(outputs).columns(inputs).copy(), precision)
      #expect(distance(c.widened(), expected) <= tolerance(Float.self, terms: 77))
    }
  }

  /// A row's values are the same bits whatever rows are beside it, and a column's whatever columns.
  @Test(arguments: Precision.allCases) func companyDoesNotMatter(precision: Precision) {
    var numbers = Numbers(9)
    let (x, w): (Matrix<Float>, Matrix<Float>) = (numbers.matrix(50, 300), numbers.matrix(70, 300))
    let buffer = PackedBuffer(rows: 50, columns: 300)
    let whole = Matrix<Float>(rows: 50, columns: 70)
    multiply(PackedRows(x, precision, in: buffer), PackedWeight(w, precision), into: whole)
    let part = Matrix<Float>(rows: 7, columns: 5)
    multiply(PackedRows(x.rows(31..<38), precision, in: buffer), PackedWeight(w.rows(40..<45), precision), into: part)
    #expect(part.elements == whole.rows(31..<38).columns(40..<45).elements)
  }

  @Test(arguments: Precision.allCases) func scalesAndEmptyShapes(precision: Precision) {
    let x = Matrix<Float>([1, 2, 3, 4], rows: 2, columns: 2)
    let buffer = PackedBuffer(rows: 2, columns: 2)
    let c = Matrix<Float>(rows: 2, columns: 1)
    multiply(
      PackedRows(x, precision, scale: 0.5, in: buffer),
      PackedWeight(Matrix<Float>([2, 4], rows: 1, columns: 2), precision), into: c)
    #expect(c.elements == [5, 11])
    let none = PackedWeight(Matrix<Float>(rows: 1, columns: 0), precision)
    multiply(PackedRows(x.columns(0..<0), precision, in: buffer), none, accumulating: true, into: c)
    #expect(c.elements == [5, 11])
    multiply(PackedRows(x.columns(0..<0), precision, in: buffer), none, into: c)
    #expect(c.elements == [0, 0])
  }
}
