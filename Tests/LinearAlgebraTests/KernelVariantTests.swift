import CKernels
import Foundation
import Testing

@testable import LinearAlgebra

/// The kernels compiled for each set of instructions: the same bits from all, and what their formulas say.
@Suite struct KernelVariantTests {
  private static func has(_ set: nas_instructions) -> Bool { nas_kernels_with(set) != nil }

  @Test func portable() throws { try check(NAS_PORTABLE) }

  @Test(.enabled(if: has(NAS_AVX2))) func avx2() throws { try check(NAS_AVX2) }

  @Test(.enabled(if: has(NAS_AVX512))) func avx512() throws { try check(NAS_AVX512) }

  /// All patterns of a half, beside their values one by one.
  private func checkHalves(_ kernels: nas_kernels) {
    let patterns = Array(0...UInt16.max)
    for start in [0, 1, 13] {
      let part = Array(patterns.dropFirst(start)) + [0]
      var values = Array(repeating: Float(7), count: part.count)
      kernels.widen_half(part, &values, part.count - 1)
      #expect(zip(part, values).dropLast().allSatisfy { nas_half_value($0).bitPattern == $1.bitPattern })
      #expect(values.last == 7)
    }
  }

  private func check(_ set: nas_instructions) throws {
    let kernels = try #require(nas_kernels_with(set)).pointee
    let portable = try #require(nas_kernels_with(NAS_PORTABLE)).pointee
    checkHalves(kernels)
    var numbers = Numbers(11)
    for count in 0...70 {
      let rows = Self.rows(count, &numbers)
      let wild = Self.wild(count, &numbers)
      for example in KernelExample.all {
        let result = example.run(kernels, rows, count)
        #expect(agrees(result, example.exactly(rows, count)), "\(example.name), \(count)")
        #expect(isIdentical(result, example.run(portable, rows, count)), "\(example.name), \(count)")
        #expect(
          isIdentical(example.run(kernels, wild, count), example.run(portable, wild, count)),
          "\(example.name), \(count), of extremes")
      }
      checkExponentials(kernels, portable, count, &numbers)
      checkTriangle(kernels, portable, count, &numbers, { $0.factorise_float }, { $0.invert_lower_float })
      checkTriangle(kernels, portable, count, &numbers, { $0.factorise_double }, { $0.invert_lower_double })
    }
  }

  /// Four rows, twice as long as what is computed on and longer, so that what is written behind it shows.
  private static func rows(_ count: Int, _ numbers: inout Numbers) -> Matrix<Float> {
    let length = 2 * count + 17
    return Matrix(numbers.floats(4 * length, scale: 3), rows: 4, columns: length)
  }

  /// The same with infinities, NaNs, zeros of both signs, subnormals, and what overflows an exponential.
  private static func wild(_ count: Int, _ numbers: inout Numbers) -> Matrix<Float> {
    let rows = rows(count, &numbers)
    let extremes: [Float] = [
      0, -0.0, .infinity, -.infinity, .nan, 0x1p-149, -0x1p-130, 3e38, -3e38, 87.9, 88.1, -86.9, -87.1, 104, -104,
      1e-20,
    ]
    for i in 0..<rows.count where numbers.next() > 0.6 {
      rows.pointer[i] = extremes[Int((numbers.next() + 1) / 2 * Double(extremes.count))]
    }
    return rows
  }

  private func agrees(_ found: (Matrix<Float>, Double), _ exact: (Matrix<Double>, Double)) -> Bool {
    let pairs = zip(found.0.elements.map { Double($0) } + [found.1], exact.0.elements + [exact.1])
    return pairs.allSatisfy { $0 == $1 || abs($0 - $1) <= 2e-5 * (1 + abs($1)) }
  }

  private func isIdentical(_ a: (Matrix<Float>, Double), _ b: (Matrix<Float>, Double)) -> Bool {
    isIdentical(a.0, b.0) && (a.1.bitPattern == b.1.bitPattern || a.1.isNaN && b.1.isNaN)
  }

  /// Bit by bit, though NaNs may differ in theirs.
  private func isIdentical<Scalar: BLASScalar>(_ a: Matrix<Scalar>, _ b: Matrix<Scalar>) -> Bool {
    zip(a.elements, b.elements).allSatisfy { $0 == $1 && $0.sign == $1.sign || $0.isNaN && $1.isNaN }
  }

  private func checkExponentials(
    _ kernels: nas_kernels, _ portable: nas_kernels, _ count: Int, _ numbers: inout Numbers
  ) {
    var x = (0..<count + 9).map { _ in numbers.next() * 700 }
    if count > 2 { x[count / 2] = -1000 }
    var (result, same) = (x, x)
    kernels.exponentials(&result, count)
    portable.exponentials(&same, count)
    #expect(result == same)
    #expect(result.suffix(9) == x.suffix(9))
    let exact = x.prefix(count).map { Foundation.exp(max(-708, $0)) }
    #expect(zip(result, exact).allSatisfy { abs($0 - $1) <= 1e-15 * $1 })
  }

  private typealias Factorise<Scalar> =
    (Int, UnsafeMutablePointer<Scalar>, Int, UnsafeMutablePointer<Scalar>, Int) -> Int
  private typealias Invert<Scalar> =
    (Int, UnsafePointer<Scalar>, Int, UnsafeMutablePointer<Scalar>, Int) -> Void

  /// `A = L·Lᵀ` and `L·X = I`, and where the matrix stops being positive.
  private func checkTriangle<Scalar: BLASScalar>(
    _ kernels: nas_kernels, _ portable: nas_kernels, _ n: Int, _ numbers: inout Numbers,
    _ factorise: (nas_kernels) -> Factorise<Scalar>, _ invert: (nas_kernels) -> Invert<Scalar>
  ) {
    let root: Matrix<Scalar> = numbers.matrix(n, n)
    let matrix = Matrix<Scalar>(rows: n, columns: n + 3)
    let positive = matrix.columns(0..<n)
    multiply(root, root, transposingB: true, into: positive)
    for i in 0..<n { positive[i, i] += Scalar(n) / 2 }

    let (lower, same, work) = (matrix.copy(), matrix.copy(), Matrix<Scalar>(rows: n, columns: n + 1))
    #expect(factorise(kernels)(n, lower.pointer, lower.stride, work.pointer, work.stride) == 0)
    #expect(factorise(portable)(n, same.pointer, same.stride, work.pointer, work.stride) == 0)
    #expect(isIdentical(lower, same))
    let (inverse, sameInverse) = (Matrix<Scalar>(rows: n, columns: n + 2), Matrix<Scalar>(rows: n, columns: n + 2))
    invert(kernels)(n, lower.pointer, lower.stride, inverse.pointer, inverse.stride)
    invert(portable)(n, lower.pointer, lower.stride, sameInverse.pointer, sameInverse.stride)
    #expect(isIdentical(inverse, sameInverse))

    for i in 0..<n {
      for j in i + 1..<max(n, i + 1) {
        #expect(lower[i, j] == matrix[i, j], "the upper triangle is left alone")
        lower[i, j] = 0
      }
    }
    let (product, identity) = (Matrix<Scalar>(rows: n, columns: n), Matrix<Scalar>(rows: n, columns: n))
    multiply(lower.columns(0..<n), lower.columns(0..<n), transposingB: true, into: product)
    #expect(distance(product, positive) <= tolerance(Scalar.self, terms: n * n))
    multiply(lower.columns(0..<n), inverse.columns(0..<n), into: product)
    for i in 0..<n { identity[i, i] = 1 }
    #expect(distance(product, identity) <= tolerance(Scalar.self, terms: n * n))

    if n < 3 { return }
    for value in [-1, Scalar.infinity, Scalar.nan] {
      let broken = matrix.copy()
      broken[n / 2, n / 2] = value
      #expect(factorise(kernels)(n, broken.pointer, broken.stride, work.pointer, work.stride) == n / 2 + 1)
    }
  }
}
