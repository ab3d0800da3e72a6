import Foundation
import LinearAlgebra
import Runtime

/// The linear algebra of a Gaussian process with given hyper-parameters.
///
/// `K = k(X, X) + (noise + jitter)·I = L·Lᵀ`. The jitter is 0 if the factorisation succeeds without it; else it grows
/// tenfold from 1e-10 of the signal until it succeeds.
struct Solution: Sendable {
  let kernel: GenomeKernel
  let jitter: Double
  let factor: CholeskyFactor<Double>
  /// `L⁻¹·[y, 1, predictions]`, shape `[n, 2 or 3]`.
  let solved: Matrix<Double>
  let trend: Trend
  /// `K⁻¹·(y − mean)`, shape `[n, 1]`.
  let weights: Matrix<Double>

  typealias Covariance = (values: Matrix<Double>, slopes: Matrix<Double>)

  /// - Parameter covariance: covariance of the data, without noise.
  init(_ data: TrainingData, _ hyperparameters: Hyperparameters, covariance: Covariance) throws(LinearAlgebraError) {
    // BLAS must run single-threaded for results that do not depend on the number of cores.
    _ = Threads.count
    let factor: CholeskyFactor<Double>
    var jitter = 0.0
    while true {
      let matrix = covariance.values.copy()
      for i in 0..<matrix.rows { matrix[i, i] += hyperparameters.noise + jitter }
      do {
        factor = try CholeskyFactor(factorising: matrix)
        break
      } catch {
        if !(jitter < hyperparameters.signal) { throw error }
        jitter = jitter == 0 ? 1e-10 * hyperparameters.signal : 10 * jitter
      }
    }
    let rows = data.targets.indices.flatMap(data.row)
    let solved = Matrix(rows, rows: data.points.count, columns: rows.count / data.points.count)
    factor.solveLower(solved)
    let kernel = GenomeKernel(hyperparameters: hyperparameters, encoding: data.encoding)
    self.init(kernel, jitter: jitter, factor: factor, solved: solved)
  }

  static func covariance(_ data: TrainingData, _ hyperparameters: Hyperparameters) -> Covariance {
    GenomeKernel(hyperparameters: hyperparameters, encoding: data.encoding).covariance(data.points)
  }

  private init(
    _ kernel: GenomeKernel, jitter: Double, factor: CholeskyFactor<Double>, solved: Matrix<Double>
  ) {
    self.kernel = kernel
    self.jitter = jitter
    self.factor = factor
    self.solved = solved
    trend = Trend(solved)
    weights = Self.residuals(solved, trend)
    factor.solveLowerTransposed(weights)
  }

  /// The solution for data with one more observation at their end; `nil` if that needs another jitter.
  func extended(_ data: TrainingData) -> Solution? {
    let last = data.points.count - 1
    let old = EncodedPoints(
      numbers: data.points.numbers.rows(0..<last), indicators: data.points.indicators.rows(0..<last))
    let new = EncodedPoints(
      numbers: data.points.numbers.rows(last..<last + 1), indicators: data.points.indicators.rows(last..<last + 1))
    let column = kernel.covariance(old, new).elements
    let diagonal = kernel.hyperparameters.signal + kernel.hyperparameters.noise + jitter
    guard let factor = try? self.factor.extended(column: column, diagonal: diagonal) else { return nil }
    let solved = Matrix<Double>(uninitialized: last + 1, columns: self.solved.columns)
    solved.rows(0..<last).assign(self.solved)
    for (j, value) in data.row(last).enumerated() {
      let known = (0..<last).reduce(0) { $0 + factor.lower[last, $1] * solved[$1, j] }
      solved[last, j] = (value - known) / factor.lower[last, last]
    }
    return Solution(kernel, jitter: jitter, factor: factor, solved: solved)
  }

  /// `L⁻¹·(y − mean)`.
  private static func residuals(_ solved: Matrix<Double>, _ trend: Trend) -> Matrix<Double> {
    let result = Matrix<Double>(uninitialized: solved.rows, columns: 1)
    for i in 0..<solved.rows {
      let slope = trend.hasSlope ? trend.slope * solved[i, 2] : 0
      result[i, 0] = solved[i, 0] - trend.intercept * solved[i, 1] - slope
    }
    return result
  }

  // MARK: - Likelihood

  /// `log p(targets | genomes, hyper-parameters)` of the standardised targets, with the mean's coefficients at their
  /// most likely values: equation 2.30 of Rasmussen and Williams with the mean subtracted.
  var logLikelihood: Double {
    let residuals = Self.residuals(solved, trend)
    var value = -Double(solved.rows) / 2 * log(2 * .pi)
    for i in 0..<solved.rows { value -= residuals[i, 0] * residuals[i, 0] / 2 + log(factor.lower[i, i]) }
    return value
  }

  /// `½·tr((α·αᵀ − K⁻¹)·∂K/∂θ)` for the logarithm θ of every hyper-parameter (equation 5.9 of the same source). The
  /// coefficients of the mean maximise the likelihood, so that their own change with θ does not matter to first order.
  ///
  /// - Parameter covariance: covariance without noise; its slopes are overwritten.
  func gradient(_ data: TrainingData, _ covariance: Covariance) -> [Double] {
    let n = covariance.values.rows
    let pull = factor.inverse()
    multiply(weights, weights, transposingB: true, scale: 0.5, accumulate: -0.5, into: pull)
    var (signal, trace) = (0.0, 0.0)
    for i in 0..<n {
      let (a, b) = (pull.row(i), covariance.values.row(i))
      trace += a[i]
      for j in 0..<n { signal += a[j] * b[j] }
    }
    let lengths = kernel.gradient(data.points, weights: pull, covariance: covariance)
    return lengths + [signal, trace * kernel.hyperparameters.noise]
  }
}
