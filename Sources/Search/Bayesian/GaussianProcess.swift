import Foundation
import LinearAlgebra

/// Exact Gaussian process regression over genomes.
///
/// Targets are standardised; the kernel is `GenomeKernel`, the prior mean `Trend`. With `n` observations of `D`
/// variables, making a process takes `n²·D + n³/3` multiplications and 8·n² bytes, the posterior of `m` points `m·n·(D
/// + n)`, and one more observation `n²`. Everything is in double precision.
///
/// Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, algorithm 2.1 and section 2.7.
public struct GaussianProcess: Sendable {
  /// A guess of a genome's target, which the process improves; `nil` if there is none.
  public typealias Prediction = @Sendable (Genome) -> Double?

  /// Means and variances, one for each point, in the units of the targets. The variance is that of the function,
  /// without noise.
  struct Posterior: Sendable {
    let means: [Double]
    let variances: [Double]
  }

  let data: TrainingData
  let solution: Solution

  /// - Throws: `LinearAlgebraError.notPositiveDefinite` if no jitter makes the covariance positive definite, which only
  ///   hyper-parameters that are not finite can cause.
  init(_ data: TrainingData, _ hyperparameters: Hyperparameters) throws(LinearAlgebraError) {
    self.data = data
    solution = try Solution(data, hyperparameters, covariance: Solution.covariance(data, hyperparameters))
  }

  private init(_ data: TrainingData, _ solution: Solution) {
    self.data = data
    self.solution = solution
  }

  var hyperparameters: Hyperparameters { solution.kernel.hyperparameters }

  // MARK: - Posterior

  /// The posterior at any number of genomes.
  func posterior(_ genomes: [Genome]) -> Posterior {
    if genomes.isEmpty { return Posterior(means: [], variances: []) }
    let points = data.encoding.encode(genomes)
    let predictions = data.predictions(genomes)
    let covariance = solution.kernel.covariance(data.points, points)
    let means = Matrix<Double>(uninitialized: 1, columns: points.count)
    multiply(solution.weights, covariance, transposingA: true, into: means)
    solution.factor.solveLower(covariance)
    // Rows: the explained variance and, for the trend, 1ᵀ·K⁻¹·k* and predictionsᵀ·K⁻¹·k*.
    let explained = Matrix<Double>(rows: 1, columns: points.count)
    for i in 0..<covariance.rows {
      let (row, sum) = (covariance.row(i), explained.row(0))
      for j in 0..<points.count { sum[j] += row[j] * row[j] }
    }
    let trends = Matrix<Double>(uninitialized: solution.solved.columns, columns: points.count)
    multiply(solution.solved, covariance, transposingA: true, into: trends)
    let (trend, scaling) = (solution.trend, data.scaling)
    var variances: [Double] = []
    for j in 0..<points.count {
      let prediction = trend.hasSlope ? predictions[j] - trends[2, j] : 0
      let variance = hyperparameters.signal - explained[0, j] + trend.variance(1 - trends[1, j], prediction)
      variances.append(max(variance, 0) * scaling.scale * scaling.scale)
    }
    return Posterior(
      means: predictions.indices.map { scaling.undo(trend.mean(predictions[$0]) + means[0, $0]) },
      variances: variances)
  }

  // MARK: - One more observation

  /// The process with one more observation and the same hyper-parameters: one more row in the Cholesky factor.
  func conditioned(on genome: Genome, target: Double) throws(LinearAlgebraError) -> GaussianProcess {
    let data = data.appending(genome, target: target)
    guard let extended = solution.extended(data) else { return try GaussianProcess(data, hyperparameters) }
    return GaussianProcess(data, extended)
  }
}
