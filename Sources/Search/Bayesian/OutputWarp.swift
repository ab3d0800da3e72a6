import Foundation

/// The scale of an objective for a Gaussian process: as it is, or `log(value + shift)`.
///
/// Divergences and perplexities are not negative, and skewed: ratios of large values matter. Small values fall to 0 as
/// smoothly as the widths grow, but a plain logarithm would fall without end. So the scale is nearly linear below the
/// shift, the median of the observed values. The likelihood chooses between the two scales (`logJacobian`).
///
/// A warp is increasing, so it changes neither dominance nor the order of values. Expected improvements are those on
/// the warped scale: areas of a front are measured in ratios if values are large. This spreads the search over orders
/// of magnitude instead of the region of the largest values.
enum OutputWarp: Sendable, Equatable {
  case none
  /// Negative values count as 0. They can only occur after the warp was chosen.
  case logarithm(shift: Double)

  /// The warps that observed values allow: none; and if no value is negative and the median is positive, a logarithm
  /// with the median as the shift.
  static func candidates(_ values: [Double]) -> [OutputWarp] {
    let sorted = values.sorted()
    guard let least = sorted.first, least >= 0, sorted[sorted.count / 2] > 0 else { return [.none] }
    return [.none, .logarithm(shift: sorted[sorted.count / 2])]
  }

  /// The value on the warped scale.
  func apply(_ value: Double) -> Double {
    switch self {
    case .none: value
    case .logarithm(let shift): log(max(0, value) + shift)
    }
  }

  /// `Σ log(warp'(value))`: the difference between the log densities of the values and of the warped values.
  ///
  /// Models on different scales compare by their likelihoods of the values themselves (Snelson, Rasmussen and
  /// Ghahramani, "Warped Gaussian Processes", NeurIPS 2003, equation 6).
  func logJacobian(_ values: [Double]) -> Double {
    switch self {
    case .none: 0
    case .logarithm(let shift): -values.reduce(0) { $0 + log($1 + shift) }
    }
  }
}
