import Foundation

/// The hyper-parameters of a Gaussian process over genomes. All are positive.
struct Hyperparameters: Hashable, Sendable {
  /// Length scale of each integer variable, in units of the variable's range. The smaller, the more the variable
  /// matters.
  var lengths: [Double]
  /// Length scale of each categorical variable: two genomes that differ in it correlate by a factor `exp(−1/length)`.
  var choiceLengths: [Double]
  /// Variance of the function around its mean, in units of the standardised targets.
  var signal: Double
  /// Variance between two evaluations of one genome, in the same units.
  var noise: Double

  /// The logarithms of all, as the fit varies them: lengths, choice lengths, signal, noise.
  var logarithms: [Double] { (lengths + choiceLengths + [signal, noise]).map(log) }

}

extension Hyperparameters {
  init(logarithms: [Double], integers: Int, choices: Int) {
    // Limits that a double holds comfortably; a minimiser may propose values beyond them.
    let values = logarithms.map { exp(min(max($0, -50), 50)) }
    self.init(
      lengths: Array(values[0..<integers]), choiceLengths: Array(values[integers..<integers + choices]),
      signal: values[integers + choices], noise: values[integers + choices + 1])
  }
}

/// The prior of the hyper-parameters, before any target is seen: log-normal distributions.
///
/// The location of the length scales grows with the root of the number of dimensions, so that a function does not
/// become rougher with more variables: `log ℓ ~ N(√2 + ½·log D, 3)` (Hvarfner, Hellsten and Nardi, "Vanilla Bayesian
/// Optimization Performs Great in High Dimensions", ICML 2024, equation 5). Unlike there, the length scales are not
/// independent: they share nearly all of that variance, and little is each one's own. Independent ones would explain a
/// few dozen observations by two or three variables that happen to fit, but the widths of many layers are alike. Their
/// own variance, signal and noise are our choice: `log signal ~ N(0, 2)`, and a wide `log noise ~ N(−8, 4)`, because an
/// evaluation repeats to the last digit, and noise stands only for variation that the kernel cannot follow.
/// `Benchmarks/Optimizers` measures the consequences.
struct HyperparameterPrior: Sendable {
  let integers: Int
  let choices: Int

  private static let commonVariance = 3.0
  private static let ownVariance = 0.2
  private static let signal = (mean: 0.0, variance: 2.0)
  private static let noise = (mean: -8.0, variance: 4.0)

  private var dimensions: Int { integers + choices }

  /// The logarithms of the most probable hyper-parameters.
  var mode: [Double] {
    let length = 2.0.squareRoot() + log(Double(max(1, dimensions))) / 2
    return Array(repeating: length, count: dimensions) + [Self.signal.mean, Self.noise.mean]
  }

  /// The logarithm of the density of the logarithms, up to a constant, and its gradient.
  ///
  /// The covariance of the length scales is `own·I + common·1·1ᵀ`; its inverse is that of Sherman and Morrison.
  func logDensity(_ logarithms: [Double]) -> (value: Double, gradient: [Double]) {
    let distances = zip(logarithms, mode).map { $0 - $1 }
    let sum = distances.prefix(dimensions).reduce(0, +)
    let shared = sum * Self.commonVariance / (Self.ownVariance + Double(dimensions) * Self.commonVariance)
    var gradient = distances.prefix(dimensions).map { (shared - $0) / Self.ownVariance }
    gradient.append(-distances[dimensions] / Self.signal.variance)
    gradient.append(-distances[dimensions + 1] / Self.noise.variance)
    return (zip(distances, gradient).reduce(0) { $0 + $1.0 * $1.1 / 2 }, gradient)
  }
}
