import Foundation

/// The scale on which a Gaussian process sees an objective: as it is, or `log(value + shift)`.
///
/// Divergences and perplexities are not negative and skewed: of large values the ratios count. Small ones fall to 0 as
/// smoothly as the widths grow, where a plain logarithm would fall without end; below the shift, the median of the observed
/// values, the scale is therefore nearly linear. Which of the two scales it is the likelihood says (`logJacobian`).
///
/// A warp is increasing, so it changes neither which genomes dominate which nor the order of values. Expected improvements
/// are those on the warped scale: areas of a front are then measured in ratios where values are large, which spreads the
/// search over orders of magnitude instead of the region of the largest values.
enum OutputWarp: Sendable, Equatable {
  case none
  /// Negative values, which can come up only after the warp was chosen, count as 0.
  case logarithm(shift: Double)

  /// The warps that observed values allow: none, and where no value is negative and the median positive, a logarithm with
  /// the median as the shift.
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

  /// `Σ log(warp'(value))`: what the log density of the values gains over that of the warped ones.
  ///
  /// Models on different scales compare by their likelihoods of the values themselves (Snelson, Rasmussen and Ghahramani,
  /// "Warped Gaussian Processes", NeurIPS 2003, equation 6).
  func logJacobian(_ values: [Double]) -> Double {
    switch self {
    case .none: 0
    case .logarithm(let shift): -values.reduce(0) { $0 + log($1 + shift) }
    }
  }
}
