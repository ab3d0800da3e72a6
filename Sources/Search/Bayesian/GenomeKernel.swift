import Foundation
import LinearAlgebra

/// The covariance of a function's values at two genomes: Matérn-5/2 over the integers times overlap over the choices.
///
/// `k(x, x') = signal·(1 + √5·r + 5/3·r²)·exp(−√5·r − s)` with `r² = Σ_i (x_i − x'_i)²/ℓ_i²` over the integer variables
/// and `s = Σ_j [x_j ≠ x'_j]/ℓ_j` over the categorical ones. Sources: Rasmussen and Williams, "Gaussian Processes for
/// Machine Learning", 2006, equation 4.17, with a length scale for each variable; the overlap part is the Hamming
/// kernel of Ru, Alvi, Nguyen, Osborne and Roberts, "Bayesian Optimisation over Multiple Continuous and Categorical
/// Inputs", 2020, with the sum of equal choices weighted and in the exponent.
///
/// Both `r²` and `s` are matrix products of the scaled points, so all pairs cost `m·n·D` multiplications in BLAS, and
/// squared differences are not stored.
struct GenomeKernel: Sendable {
  let hyperparameters: Hyperparameters
  let encoding: PointEncoding

  /// Covariances of `a` and `b`, shape `[a.count, b.count]`.
  func covariance(_ a: EncodedPoints, _ b: EncodedPoints) -> Matrix<Double> {
    let squares = squaredDistances(a, b)
    transform(squares, mismatches(a, b), slopes: nil)
    return squares
  }

  /// Covariances of the points with themselves, shape `[n, n]`, without noise, and the slopes that `gradient` needs.
  func covariance(_ points: EncodedPoints) -> (values: Matrix<Double>, slopes: Matrix<Double>) {
    let squares = squaredDistances(points, points)
    let mismatches = mismatches(points, points)
    // Rounding must not make a point differ from itself.
    for i in 0..<points.count {
      squares[i, i] = 0
      mismatches?[i, i] = 0
    }
    let slopes = Matrix<Double>(uninitialized: points.count, columns: points.count)
    transform(squares, mismatches, slopes: slopes)
    return (squares, slopes)
  }

  /// `Σ_pq weights[p, q]·∂k(p, q)/∂θ` for the logarithm θ of every length scale, the integers' first, then the
  /// choices'.
  ///
  /// With `m = weights ∘ slopes`, an integer's is `Σ_pq m[p, q]·(x_p − x_q)²/ℓ²`, which expands to
  /// `2·(Σ_p x_p²·Σ_q m[p, q] − Σ_p x_p·(m·x)_p)/ℓ²`: one product `m·X` for all variables.
  ///
  /// - Parameters:
  ///   - weights: symmetric matrix, shape `[n, n]`.
  ///   - covariance: result of `covariance(_:)` for `points`. Its slopes are overwritten by `m`.
  func gradient(
    _ points: EncodedPoints, weights: Matrix<Double>, covariance: (values: Matrix<Double>, slopes: Matrix<Double>)
  ) -> [Double] {
    let m = covariance.slopes
    Self.multiplyElements(m, weights)
    var result = spread(points.numbers, m).enumerated().map { column, sum in
      2 * sum / (hyperparameters.lengths[column] * hyperparameters.lengths[column])
    }
    if !encoding.choices.isEmpty {
      let n = covariance.values.copy()
      Self.multiplyElements(n, weights)
      let sums = spread(points.indicators, n)
      // Half the squared distance of two rows of indicators is 1 if the choices differ.
      for (columns, length) in zip(encoding.choiceColumns, hyperparameters.choiceLengths) {
        result.append(sums[columns].reduce(0, +) / length)
      }
    }
    return result
  }

  // MARK: - Parts

  /// `Σ_p x_p²·Σ_q m[p, q] − Σ_p x_p·(m·x)_p` for every column `x`.
  private func spread(_ columns: Matrix<Double>, _ m: Matrix<Double>) -> [Double] {
    var result = Array(repeating: 0.0, count: columns.columns)
    if columns.columns == 0 { return result }
    let product = Matrix<Double>(uninitialized: columns.rows, columns: columns.columns)
    multiply(m, columns, into: product)
    for p in 0..<columns.rows {
      let mass = Self.sum(m.row(p), count: m.columns)
      let (x, y) = (columns.row(p), product.row(p))
      for i in result.indices { result[i] += x[i] * (mass * x[i] - y[i]) }
    }
    return result
  }

  private func squaredDistances(_ a: EncodedPoints, _ b: EncodedPoints) -> Matrix<Double> {
    let scales = hyperparameters.lengths.map { 1 / $0 }
    let (left, right) = (scaled(a.numbers, scales), scaled(b.numbers, scales))
    let result = Matrix<Double>(uninitialized: a.count, columns: b.count)
    multiply(left, right, transposingB: true, scale: -2, into: result)
    let (leftNorms, rightNorms) = (norms(left), norms(right))
    rightNorms.withUnsafeBufferPointer { norms in
      for i in 0..<result.rows {
        let row = result.row(i)
        for j in 0..<result.columns { row[j] += leftNorms[i] + norms[j] }
      }
    }
    return result
  }

  /// `s` for all pairs; `nil` if the space has no choices.
  private func mismatches(_ a: EncodedPoints, _ b: EncodedPoints) -> Matrix<Double>? {
    if encoding.choices.isEmpty { return nil }
    var scales: [Double] = []
    for (columns, length) in zip(encoding.choiceColumns, hyperparameters.choiceLengths) {
      scales += columns.map { _ in 1 / length.squareRoot() }
    }
    let most = hyperparameters.choiceLengths.reduce(0) { $0 + 1 / $1 }
    let result = Matrix<Double>(uninitialized: a.count, columns: b.count)
    multiply(scaled(a.indicators, scales), scaled(b.indicators, scales), transposingB: true, scale: -1, into: result)
    for i in 0..<result.rows {
      let row = result.row(i)
      for j in 0..<result.columns { row[j] = max(0, row[j] + most) }
    }
    return result
  }

  private func scaled(_ points: Matrix<Double>, _ scales: [Double]) -> Matrix<Double> {
    let result = Matrix<Double>(uninitialized: points.rows, columns: points.columns)
    for i in 0..<points.rows {
      let (source, target) = (points.row(i), result.row(i))
      for j in scales.indices { target[j] = source[j] * scales[j] }
    }
    return result
  }

  private func norms(_ points: Matrix<Double>) -> [Double] {
    (0..<points.rows).map { i in
      let row = points.row(i)
      return (0..<points.columns).reduce(0) { $0 + row[$1] * row[$1] }
    }
  }

  /// Turns squared distances into covariances in place; `slopes` receive `5/3·signal·(1 + √5·r)·exp(−√5·r − s)`, which
  /// times `(x_i − x'_i)²/ℓ_i²` is the derivative by `log ℓ_i`.
  private func transform(_ squares: Matrix<Double>, _ mismatches: Matrix<Double>?, slopes: Matrix<Double>?) {
    let count = squares.columns
    let scratch = Matrix<Double>(uninitialized: 2, columns: count)
    let (distances, decays) = (scratch.row(0), scratch.row(1))
    let root = 5.0.squareRoot()
    let signal = hyperparameters.signal
    for i in 0..<squares.rows {
      let row = squares.row(i)
      for j in 0..<count {
        let square = max(0, row[j])
        row[j] = square
        distances[j] = root * square.squareRoot()
        decays[j] = -distances[j]
      }
      if let mismatch = mismatches?.row(i) {
        for j in 0..<count { decays[j] -= mismatch[j] }
      }
      Kernels.exponentials(decays, count: count)
      if let slope = slopes?.row(i) {
        for j in 0..<count { slope[j] = 5 / 3 * signal * (1 + distances[j]) * decays[j] }
      }
      for j in 0..<count { row[j] = signal * (1 + distances[j] + 5 / 3 * row[j]) * decays[j] }
    }
  }

  private static func multiplyElements(_ a: Matrix<Double>, _ b: Matrix<Double>) {
    for i in 0..<a.rows {
      let (x, y) = (a.row(i), b.row(i))
      for j in 0..<a.columns { x[j] *= y[j] }
    }
  }

  private static func sum(_ x: UnsafePointer<Double>, count: Int) -> Double {
    var total = SIMD8<Double>(repeating: 0)
    var i = 0
    while i + 8 <= count {
      total += UnsafeRawPointer(x + i).loadUnaligned(as: SIMD8<Double>.self)
      i += 8
    }
    var result = total.sum()
    while i < count {
      result += x[i]
      i += 1
    }
    return result
  }
}
