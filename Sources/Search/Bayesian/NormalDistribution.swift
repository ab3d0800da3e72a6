import CNumerics
import Foundation

/// The standard normal distribution, and its integral for expected improvements.
enum NormalDistribution {
  static func density(_ z: Double) -> Double { exp(-z * z / 2) * 0.398_942_280_401_432_7 }

  /// `P(Z ≤ z)`.
  static func cumulative(_ z: Double) -> Double { erfc(-z * 0.5.squareRoot()) / 2 }

  /// `h(z) = E[max(0, z + Z)] = φ(z) + z·Φ(z)`: the expected excess of a normal variable over a threshold, for standard
  /// deviation 1 and a mean `z` above the threshold. Underflows to 0 below about −38.
  static func excess(_ z: Double) -> Double {
    z < -1 ? density(z) * remainder(z) : density(z) + z * cumulative(z)
  }

  /// `log h(z)`, finite for any finite `z`.
  ///
  /// Source: Ament, Daulton, Eriksson, Balandat and Bakshy, "Unexpected Improvements to Expected Improvement for
  /// Bayesian Optimization", NeurIPS 2023, equation 9; the scaled error function is taken from GSL's hazard function.
  static func logExcess(_ z: Double) -> Double {
    z < -1 ? -z * z / 2 - log(2 * .pi) / 2 + log(remainder(z)) : log(excess(z))
  }

  /// `h(z)/φ(z) = 1 − |z|/hazard(|z|)` for z below −1, by its asymptotic series if the difference would cancel.
  private static func remainder(_ z: Double) -> Double {
    if z > -500 { return 1 + z / gsl_sf_hazard(-z) }
    let square = 1 / (z * z)
    return square * (1 - 3 * square)
  }
}

/// The belief about one objective at one genome.
struct Belief: Sendable {
  var mean: Double
  /// Standard deviation; 0 for a value that is known.
  var deviation: Double

  /// `E[max(0, threshold − f)]`: the expected distance of the objective below a threshold.
  func shortfall(below threshold: Double) -> Double {
    if !(deviation > 0) { return max(0, threshold - mean) }
    return deviation * NormalDistribution.excess((threshold - mean) / deviation)
  }

  /// The logarithm of `shortfall`, finite even if that underflows; −∞ for a known value that is not below.
  func logShortfall(below threshold: Double) -> Double {
    if !(deviation > 0) { return log(max(0, threshold - mean)) }
    return log(deviation) + NormalDistribution.logExcess((threshold - mean) / deviation)
  }
}
