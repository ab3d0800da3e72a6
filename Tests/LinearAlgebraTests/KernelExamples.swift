import CKernels
import Foundation

@testable import LinearAlgebra

/// A kernel applied to four rows of numbers, beside its formula in double precision.
struct KernelExample: Sendable {
  let name: String
  private let kernel: @Sendable (nas_kernels, Matrix<Float>, Int) -> Double
  private let formula: @Sendable (Matrix<Double>, Int) -> Double

  private init(
    _ name: String, _ kernel: @escaping @Sendable (nas_kernels, Matrix<Float>, Int) -> Double,
    _ formula: @escaping @Sendable (Matrix<Double>, Int) -> Double
  ) {
    (self.name, self.kernel, self.formula) = (name, kernel, formula)
  }

  /// The rows afterwards, and the value that the kernel returns, 0 for none.
  func run(_ kernels: nas_kernels, _ rows: Matrix<Float>, _ count: Int) -> (Matrix<Float>, Double) {
    let result = rows.copy()
    return (result, kernel(kernels, result, count))
  }

  func exactly(_ rows: Matrix<Float>, _ count: Int) -> (Matrix<Double>, Double) {
    let result = rows.widened()
    return (result, formula(result, count))
  }

  /// An element-wise kernel: `formula` changes column i of the rows.
  private init(
    each name: String, _ kernel: @escaping @Sendable (nas_kernels, Matrix<Float>, Int) -> Void,
    _ formula: @escaping @Sendable (Matrix<Double>, Int) -> Void
  ) {
    self.init(
      name,
      { kernels, rows, count in
        kernel(kernels, rows, count)
        return 0
      },
      { rows, count in
        for i in 0..<count { formula(rows, i) }
        return 0
      })
  }

  static let all = sums + exponentials + parts

  private static let sums = [
    KernelExample(each: "add", { $0.add($1.row(0), $1.row(1), $2) }, { $0[1, $1] += $0[0, $1] }),
    KernelExample(each: "scale", { $0.scale($1.row(0), -0.3, $2) }, { $0[0, $1] *= -0.3 }),
    KernelExample(
      each: "add_scaled", { $0.add_scaled($1.row(0), 1.7, $1.row(1), $2) }, { $0[1, $1] += 1.7 * $0[0, $1] }),
    KernelExample(
      each: "add_magnitudes", { $0.add_magnitudes($1.row(0), $1.row(1), $2) }, { $0[1, $1] += abs($0[0, $1]) }),
    KernelExample(
      each: "add_squares", { $0.add_squares($1.row(0), 0.7, $1.row(1), $2) },
      { $0[1, $1] += 0.7 * $0[0, $1] * $0[0, $1] }),
    KernelExample(each: "multiply", { $0.multiply($1.row(0), $1.row(1), $2) }, { $0[1, $1] *= $0[0, $1] }),
    KernelExample(
      each: "add_products", { $0.add_products($1.row(0), $1.row(2), $1.row(1), $2) },
      { $0[1, $1] += $0[0, $1] * $0[2, $1] }),
    KernelExample(
      each: "adam",
      {
        $0.scale($1.row(3), 0, $2)
        $0.add_squares($1.row(0), 1, $1.row(3), $2)
        $0.adam($1.row(1), $1.row(2), $1.row(3), $1.row(0), 0.9, 0.99, 0.1, 1.3, 1e-3, $2)
      },
      { rows, i in
        let (g, m, v) = (rows[0, i], rows[2, i], rows[0, i] * rows[0, i])
        rows[2, i] = 0.9 * m + 0.1 * g
        rows[3, i] = 0.99 * v + 0.01 * g * g
        rows[1, i] -= 0.1 * rows[2, i] / (rows[3, i].squareRoot() * 1.3 + 1e-3)
      }),
    KernelExample("dot", { Double($0.dot($1.row(0), $1.row(1), $2)) }, { dot($0.row(0), $0.row(1), $1) }),
    KernelExample(
      "maximum", { Double($0.maximum($1.row(0), $2)) },
      { rows, count in (0..<count).reduce(-.infinity) { max($0, rows[0, $1]) } }),
  ]

  private static let exponentials = [
    KernelExample(
      "sum_exp", { Double($0.sum_exp($1.row(0), 1.5, $2)) },
      { rows, count in (0..<count).reduce(0) { $0 + exp(rows[0, $1] - 1.5) } }),
    KernelExample(
      "softmax",
      {
        $0.softmax($1.row(0), $2)
        return 0
      },
      {
        _ = softmax($0.row(0), $1)
        return 0
      }),
    KernelExample(
      "softmax_with", { Double($0.softmax_with($1.row(0), 0.8, $2)) },
      { rows, count in
        let mass = (0..<count).reduce(exp(0.8)) { $0 + exp(rows[0, $1]) }
        for i in 0..<count { rows[0, i] = exp(rows[0, i]) / mass }
        return exp(0.8) / mass
      }),
    KernelExample(
      "softmax_expectation", { $2 == 0 ? 0 : $0.softmax_expectation($1.row(0), $2) }, { softmax($0.row(0), $1) }),
    KernelExample(
      "softmax_backward",
      {
        $0.softmax_backward($1.row(0), $1.row(1), 0.3, $2)
        return 0
      },
      { rows, count in
        let mean = dot(rows.row(0), rows.row(1), count)
        for i in 0..<count { rows[1, i] = rows[0, i] * (rows[1, i] - mean) * 0.3 }
        return 0
      }),
  ]

  private static let parts = [
    KernelExample(
      "rms_norm",
      {
        $0.rms_norm($1.row(0), $1.row(1), 1e-3, $1.row(2), $2)
        return 0
      },
      { rows, count in
        let s = inverseLength(rows, count)
        for i in 0..<count { rows[2, i] = rows[0, i] * s * rows[1, i] }
        return 0
      }),
    KernelExample(
      "rms_norm in place",
      {
        $0.rms_norm($1.row(0), $1.row(1), 1e-3, $1.row(0), $2)
        return 0
      },
      { rows, count in
        let s = inverseLength(rows, count)
        for i in 0..<count { rows[0, i] *= s * rows[1, i] }
        return 0
      }),
    KernelExample(
      "rms_norm_backward",
      { kernels, rows, count in
        let gainGrad = rows.row(3) + count
        kernels.rms_norm_backward(rows.row(0), rows.row(1), 1e-3, rows.row(2), rows.row(3), gainGrad, count)
        return 0
      },
      { rows, count in
        let s = inverseLength(rows, count)
        for i in 0..<count {
          rows[3, count + i] += rows[2, i] * rows[0, i] * s
          rows[2, i] *= rows[1, i]
        }
        let mean = dot(rows.row(2), rows.row(0), count) / Double(count)
        for i in 0..<count { rows[3, i] += s * (rows[2, i] - rows[0, i] * s * s * mean) }
        return 0
      }),
    KernelExample(
      each: "silu_multiply", { $0.silu_multiply($1.row(0), $1.row(1), $2) },
      { $0[0, $1] = $0[0, $1] / (1 + exp(-$0[0, $1])) * $0[1, $1] }),
    KernelExample(
      each: "gelu_multiply", { $0.gelu_multiply($1.row(0), $1.row(1), $2) },
      { $0[0, $1] = $0[0, $1] * geluShare($0[0, $1]) * $0[1, $1] }),
    KernelExample(
      each: "gelu_multiply_backward", { $0.gelu_multiply_backward($1.row(0), $1.row(1), $1.row(2), $2) },
      { rows, i in
        let (g, u, d) = (rows[0, i], rows[1, i], rows[2, i])
        let share = geluShare(g)
        let slope = 2 * (2 / Double.pi).squareRoot() * (1 + 3 * 0.044715 * g * g)
        rows[0, i] = d * u * (share + g * share * (1 - share) * slope)
        rows[1, i] = d * g * share
        rows[2, i] = g * share * u
      }),
    KernelExample(
      each: "clamped_multiply", { $0.clamped_multiply($1.row(0), $1.row(1), 0.6, 1.702, $2) },
      { rows, i in
        let (g, u) = (min(rows[0, i], 0.6), max(-0.6, min(rows[1, i], 0.6)))
        rows[0, i] = g / (1 + exp(-1.702 * g)) * (u + 1)
      }),
    KernelExample(
      each: "clamped_multiply_backward",
      { $0.clamped_multiply_backward($1.row(0), $1.row(1), $1.row(2), 0.6, 1.702, $2) },
      { rows, i in
        let (g, u, d) = (min(rows[0, i], 0.6), max(-0.6, min(rows[1, i], 0.6)), rows[2, i])
        let sigmoid = 1 / (1 + exp(-1.702 * g))
        rows[0, i] = rows[0, i] > 0.6 ? 0 : d * (u + 1) * sigmoid * (1 + 1.702 * g * (1 - sigmoid))
        rows[1, i] = abs(rows[1, i]) > 0.6 ? 0 : d * g * sigmoid
        rows[2, i] = g * sigmoid * (u + 1)
      }),
    KernelExample(each: "soft_cap", { $0.soft_cap($1.row(0), 2.5, $2) }, { $0[0, $1] = 2.5 * tanh($0[0, $1] / 2.5) }),
    KernelExample(
      each: "soft_cap_backward", { $0.soft_cap_backward($1.row(0), 2.5, $1.row(1), $2) },
      { $0[1, $1] *= 1 - $0[0, $1] * $0[0, $1] / 6.25 }),
    KernelExample(
      each: "silu_multiply_backward", { $0.silu_multiply_backward($1.row(0), $1.row(1), $1.row(2), $2) },
      { rows, i in
        let (g, u, d) = (rows[0, i], rows[1, i], rows[2, i])
        let sigmoid = 1 / (1 + exp(-g))
        rows[0, i] = d * u * sigmoid * (1 + g * (1 - sigmoid))
        rows[1, i] = d * g * sigmoid
        rows[2, i] = g * sigmoid * u
      }),
    KernelExample("rotate", { turn($1, $2, $0.rotate) }, { turn($0, $1, by: 1) }),
    KernelExample("rotate_back", { turn($1, $2, $0.rotate_back) }, { turn($0, $1, by: -1) }),
  ]

  private static func dot(_ x: UnsafePointer<Double>, _ y: UnsafePointer<Double>, _ count: Int) -> Double {
    (0..<count).reduce(0) { $0 + x[$1] * y[$1] }
  }

  private static func inverseLength(_ rows: Matrix<Double>, _ count: Int) -> Double {
    1 / (dot(rows.row(0), rows.row(0), count) / Double(max(1, count)) + 1e-3).squareRoot()
  }

  /// Replaces x by its softmax `p` and returns `Σ p·x`.
  private static func softmax(_ x: UnsafeMutablePointer<Double>, _ count: Int) -> Double {
    let mass = (0..<count).reduce(0) { $0 + exp(x[$1]) }
    let moment = (0..<count).reduce(0) { $0 + exp(x[$1]) * x[$1] }
    for i in 0..<count { x[i] = exp(x[i]) / mass }
    return count == 0 ? 0 : moment / mass
  }

  private static func turn(
    _ rows: Matrix<Float>, _ half: Int,
    _ kernel: (UnsafeMutablePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>, Int) -> Void
  ) -> Double {
    kernel(rows.row(0), rows.row(1), rows.row(2), half)
    return 0
  }

  private static func turn(_ rows: Matrix<Double>, _ half: Int, by sign: Double) -> Double {
    for i in 0..<half {
      let (a, b, c, s) = (rows[0, i], rows[0, half + i], rows[1, i], sign * rows[2, i])
      rows[0, i] = a * c - b * s
      rows[0, half + i] = b * c + a * s
    }
    return 0
  }
}

/// `σ(2u)` with `u = √(2/π)·(x + 0.044715·x³)`: the share of `x` that GELU lets through.
private func geluShare(_ x: Double) -> Double {
  1 / (1 + exp(-2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
}
