import CKernels
import Testing

@testable import LinearAlgebra

@Suite struct Bfloat16Tests {
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

  private func rounded(_ x: Matrix<Float>) -> Matrix<Double> {
    let copy = x.copy()
    Kernels.roundToBfloat16(copy.pointer, count: copy.count)
    return copy.widened()
  }

  /// `C = X·Wᵀ` in double precision, of the rounded factors.
  private func product(_ x: Matrix<Float>, _ w: Matrix<Float>) -> Matrix<Double> {
    let c = Matrix<Double>(rows: x.rows, columns: w.rows)
    multiply(rounded(x), rounded(w), transposingB: true, into: c)
    return c
  }

  private static let products: [Bfloat16Product] = [nas_bfloat16_multiply, nas_bfloat16_multiply_portable]

  /// With the processor's products, where it has them, and in software; sizes around the panels, and a long sum.
  @Test(arguments: [
    (1, 1, 1), (12, 32, 2), (13, 33, 3), (11, 16, 31), (25, 17, 32), (24, 64, 33), (37, 95, 64), (5, 49, 65),
    (3, 7, 4500), (130, 40, 2049),
  ])
  func productsOfRoundedFactors(m: Int, n: Int, k: Int) {
    var numbers = Numbers(UInt64(m * 10_000 + n * 100 + k))
    let (x, w): (Matrix<Float>, Matrix<Float>) = (numbers.window(m, k), numbers.window(n, k))
    let expected = product(x, w)
    let left = Bfloat16Rows(x, in: Bfloat16Buffer(rows: m, columns: k))
    let transposed = Matrix<Float>(rows: k, columns: n)
    for i in 0..<n {
      for j in 0..<k { transposed[j, i] = w[i, j] }
    }
    for product in Self.products {
      for right in [Bfloat16Weight(w), Bfloat16Weight(transposeOf: transposed)] {
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

  @Test func partsOfAWeight() {
    var numbers = Numbers(5)
    let (w, x): (Matrix<Float>, Matrix<Float>) = (numbers.matrix(101, 77), numbers.matrix(14, 77))
    let weight = Bfloat16Weight(w)
    let buffer = Bfloat16Buffer(rows: 14, columns: 77)
    for (outputs, inputs) in [(32..<101, 0..<77), (64..<65, 0..<77), (32..<96, 10..<77), (0..<101, 4..<9)] {
      let c = Matrix<Float>(rows: 14, columns: outputs.count)
      multiply(Bfloat16Rows(x.columns(inputs), in: buffer), weight, outputs: outputs, inputs: inputs, into: c)
      let expected = product(x.columns(inputs).copy(), w.rows(outputs).columns(inputs).copy())
      #expect(distance(c.widened(), expected) <= tolerance(Float.self, terms: 77))
    }
  }

  /// A row's values are the same bits whatever rows are beside it, and a column's whatever columns.
  @Test func companyDoesNotMatter() {
    var numbers = Numbers(9)
    let (x, w): (Matrix<Float>, Matrix<Float>) = (numbers.matrix(50, 300), numbers.matrix(70, 300))
    let buffer = Bfloat16Buffer(rows: 50, columns: 300)
    let whole = Matrix<Float>(rows: 50, columns: 70)
    multiply(Bfloat16Rows(x, in: buffer), Bfloat16Weight(w), into: whole)
    let part = Matrix<Float>(rows: 7, columns: 5)
    multiply(Bfloat16Rows(x.rows(31..<38), in: buffer), Bfloat16Weight(w.rows(40..<45)), into: part)
    #expect(part.elements == whole.rows(31..<38).columns(40..<45).elements)
  }

  @Test func scalesAndEmptyShapes() {
    let x = Matrix<Float>([1, 2, 3, 4], rows: 2, columns: 2)
    let buffer = Bfloat16Buffer(rows: 2, columns: 2)
    let c = Matrix<Float>(rows: 2, columns: 1)
    multiply(
      Bfloat16Rows(x, scale: 0.5, in: buffer), Bfloat16Weight(Matrix<Float>([2, 4], rows: 1, columns: 2)), into: c)
    #expect(c.elements == [5, 11])
    let none = Bfloat16Weight(Matrix<Float>(rows: 1, columns: 0))
    multiply(Bfloat16Rows(x.columns(0..<0), in: buffer), none, accumulating: true, into: c)
    #expect(c.elements == [5, 11])
    multiply(Bfloat16Rows(x.columns(0..<0), in: buffer), none, into: c)
    #expect(c.elements == [0, 0])
  }
}
