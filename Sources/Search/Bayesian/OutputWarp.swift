import Foundation

/// The scale on which a Gaussian process sees an objective: as it is, or its logarithm.
///
/// Divergences and perplexities are positive and skewed, and factors mean more than differences. Where all observed values
/// are positive, the logarithm is taken if it makes the values look more normal: the Box-Cox likelihood of power 0 against
/// that of power 1, `−n·log sd(log y) − Σ log y` against `−n·log sd(y)` (Box and Cox, "An Analysis of Transformations",
/// 1964, equation 8).
///
/// A warp is increasing, so it changes neither which genomes dominate which nor the order of values. Expected improvements
/// are those on the warped scale: areas of a front are then measured in ratios instead of differences, which spreads the
/// search over orders of magnitude instead of the region of the largest values.
enum OutputWarp: Sendable, Equatable {
  case none
  case logarithm

  /// The warp for observed values.
  init(_ values: [Double]) {
    self = .none
    if values.isEmpty || !values.allSatisfy({ $0 > 0 }) { return }
    let logarithms = values.map { log($0) }
    let (plain, warped) = (Self.deviation(values), Self.deviation(logarithms))
    if !(plain > 0) || !(warped > 0) { return }
    let count = Double(values.count)
    if -count * log(warped) - logarithms.reduce(0, +) > -count * log(plain) { self = .logarithm }
  }

  /// The value on the warped scale; −∞ for the logarithm of what is not positive.
  func apply(_ value: Double) -> Double { self == .none ? value : log(max(0, value)) }

  private static func deviation(_ values: [Double]) -> Double {
    let mean = values.reduce(0, +) / Double(values.count)
    return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot()
  }
}
