import Foundation

/// What shapes a Gaussian process over genomes. All are positive.
public struct Hyperparameters: Hashable, Sendable {
  /// Length scale of each integer variable, in units of the variable's range. The smaller, the more the variable matters.
  public var lengths: [Double]
  /// Length scale of each categorical variable: two genomes that differ in it correlate by a factor `exp(−1/length)`.
  public var choiceLengths: [Double]
  /// Variance of the function around its mean, in units of the standardised targets.
  public var signal: Double
  /// Variance of what two evaluations of one genome differ by, in the same units.
  public var noise: Double

  public init(lengths: [Double], choiceLengths: [Double], signal: Double, noise: Double) {
    self.lengths = lengths
    self.choiceLengths = choiceLengths
    self.signal = signal
    self.noise = noise
  }

  /// The logarithms of all, as the fit varies them: lengths, choice lengths, signal, noise.
  var logarithms: [Double] { (lengths + choiceLengths + [signal, noise]).map(log) }

  init(logarithms: [Double], integers: Int, choices: Int) {
    // The ends of what a double holds comfortably; a minimiser may well propose more.
    let values = logarithms.map { exp(min(max($0, -50), 50)) }
    lengths = Array(values[0..<integers])
    choiceLengths = Array(values[integers..<integers + choices])
    signal = values[integers + choices]
    noise = values[integers + choices + 1]
  }
}

/// What is believed of the hyper-parameters before any target is seen: independent log-normal distributions.
///
/// The location of the length scales grows with the root of the number of dimensions, so that the function a process
/// stands for does not become rougher the more variables there are: `log ℓ ~ N(√2 + ½·log D, 3)`. Source: Hvarfner,
/// Hellsten and Nardi, "Vanilla Bayesian Optimization Performs Great in High Dimensions", ICML 2024, equation 5. Signal
/// and noise are of our choice: `log signal ~ N(0, 1)`, and for the noise a wide `log noise ~ N(−8, 4)`, because an
/// evaluation repeats to the last digit and noise stands only for what the kernel cannot follow.
struct HyperparameterPrior: Sendable {
  let integers: Int
  let choices: Int

  private struct Normal {
    let mean: Double
    let variance: Double
  }

  private func belief(_ index: Int) -> Normal {
    let dimensions = integers + choices
    if index < dimensions { return Normal(mean: 2.0.squareRoot() + log(Double(max(1, dimensions))) / 2, variance: 3) }
    return index == dimensions ? Normal(mean: 0, variance: 1) : Normal(mean: -8, variance: 4)
  }

  /// The most probable hyper-parameters.
  var mode: Hyperparameters {
    let logarithms = (0..<integers + choices + 2).map { belief($0).mean }
    return Hyperparameters(logarithms: logarithms, integers: integers, choices: choices)
  }

  /// The logarithm of the density of the logarithms, and its gradient.
  func logDensity(_ logarithms: [Double]) -> (value: Double, gradient: [Double]) {
    var value = 0.0
    var gradient: [Double] = []
    for (index, logarithm) in logarithms.enumerated() {
      let normal = belief(index)
      let distance = logarithm - normal.mean
      value -= distance * distance / (2 * normal.variance) + log(2 * .pi * normal.variance) / 2
      gradient.append(-distance / normal.variance)
    }
    return (value, gradient)
  }
}
