import Testing

@testable import LinearAlgebra

@Suite struct ProductTests {
  /// `op(A)·op(B)` by loops in double precision.
  private func naive<Scalar: BLASScalar>(
    _ a: Matrix<Scalar>, _ b: Matrix<Scalar>, _ transposeA: Bool, _ transposeB: Bool
  ) -> Matrix<Double> {
    let (m, k) = transposeA ? (a.columns, a.rows) : (a.rows, a.columns)
    let n = transposeB ? b.rows : b.columns
    let result = Matrix<Double>(rows: m, columns: n)
    for i in 0..<m {
      for j in 0..<n {
        for l in 0..<k {
          result[i, j] += Double(transposeA ? a[l, i] : a[i, l]) * Double(transposeB ? b[j, l] : b[l, j])
        }
      }
    }
    return result
  }

  private func check<Scalar: BLASScalar>(
    _: Scalar.Type, _ m: Int, _ n: Int, _ k: Int, scale: Scalar, accumulate: Scalar
  ) {
    for (transposeA, transposeB) in [(false, false), (false, true), (true, false), (true, true)] {
      var numbers = Numbers(UInt64(m * 10_000 + n * 100 + k))
      let a: Matrix<Scalar> = transposeA ? numbers.window(k, m) : numbers.window(m, k)
      let b: Matrix<Scalar> = transposeB ? numbers.window(n, k) : numbers.window(k, n)
      let outer = Matrix<Scalar>(rows: m + 2, columns: n + 2)
      outer.fill(7)
      let c = outer.rows(1..<m + 1).columns(1..<n + 1)
      // Without accumulation the old content must not matter, NaN included.
      let old = accumulate == 0 ? Matrix<Scalar>(rows: m, columns: n) : numbers.matrix(m, n)
      if accumulate == 0 { c.fill(.nan) } else { c.assign(old) }
      multiply(
        a, b, transposingA: transposeA, transposingB: transposeB, scale: scale, accumulate: accumulate, into: c)
      let expected = naive(a, b, transposeA, transposeB)
      let exact = Matrix<Double>(rows: m, columns: n)
      for i in 0..<m {
        for j in 0..<n { exact[i, j] = Double(scale) * expected[i, j] + Double(accumulate) * Double(old[i, j]) }
      }
      let found = Matrix<Double>(c.elements.map { Double($0) }, rows: m, columns: n)
      let comment: Comment = "\(Scalar.self) \(m)×\(k)×\(n), transposed \(transposeA) \(transposeB)"
      #expect(distance(found, exact) <= tolerance(Scalar.self, terms: k + 1) * 2, comment)
      let frame = outer.count - m * n
      #expect(outer.elements.count { $0 == 7 } >= frame, "\(comment): written outside of the window")
    }
  }

  @Test(arguments: [(1, 1, 1), (3, 5, 2), (1, 33, 40), (33, 1, 17), (20, 30, 70), (2, 2, 0), (0, 3, 3), (3, 0, 3)])
  func agreesWithLoops(m: Int, n: Int, k: Int) {
    for (scale, accumulate) in [(1.0, 0.0), (0.5, 0), (1, 1), (-2, 1), (1.5, -0.5)] {
      check(Float.self, m, n, k, scale: Float(scale), accumulate: Float(accumulate))
      check(Double.self, m, n, k, scale: scale, accumulate: accumulate)
    }
  }

  private func checkGram<Scalar: BLASScalar>(_: Scalar.Type, tokens: Int, width: Int) {
    var numbers = Numbers(UInt64(tokens * 100 + width))
    let first: Matrix<Scalar> = numbers.window(tokens, width)
    let second: Matrix<Scalar> = numbers.window(4, width)
    let gram = Matrix<Scalar>(rows: width, columns: width)
    for i in 0..<width {
      for j in 0..<width { gram[i, j] = j < i ? -9 : .nan }
    }
    accumulateGram(first, accumulate: 0, into: gram)
    accumulateGram(second, accumulate: 1, into: gram)
    let (one, two) = (naive(first, first, true, false), naive(second, second, true, false))
    for i in 0..<width {
      for j in 0..<width {
        if j < i {
          #expect(gram[i, j] == -9, "the lower triangle was written")
        } else {
          let error = abs(Double(gram[i, j]) - one[i, j] - two[i, j])
          #expect(error <= tolerance(Scalar.self, terms: tokens + 4))
        }
      }
    }
  }

  @Test(arguments: [(1, 1), (5, 3), (3, 20), (64, 33), (0, 4)])
  func gramAgreesWithLoops(tokens: Int, width: Int) {
    checkGram(Float.self, tokens: tokens, width: width)
    checkGram(Double.self, tokens: tokens, width: width)
  }

  @Test func gramOfNoColumnsIsEmpty() {
    let gram = Matrix<Float>(rows: 0, columns: 0)
    accumulateGram(Matrix<Float>(rows: 3, columns: 0), accumulate: 0, into: gram)
    #expect(gram.count == 0)
  }
}
