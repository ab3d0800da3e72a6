import LinearAlgebra

/// The mean of a Gaussian process before any target is seen: `intercept + slope·prediction`.
///
/// The coefficients are those of generalised least squares, `β = (Hᵀ·K⁻¹·H)⁻¹·Hᵀ·K⁻¹·y` with a row `[1, prediction]` of
/// `H` for each observation (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, equations 2.41
/// and 2.42 with a vague prior). A negative slope is replaced by 0: a prediction may be useless, but not the opposite
/// of the truth. The slope is also 0 if the data do not determine it.
struct Trend: Sendable {
  let intercept: Double
  let slope: Double
  /// `(Hᵀ·K⁻¹·H)⁻¹`: the covariance of the coefficients, by rows; zeros for a slope that is held at 0.
  let covariance: (Double, Double, Double)
  /// Whether the slope was estimated.
  var hasSlope: Bool { covariance.2 > 0 }

  /// - Parameter solved: `L⁻¹·[y, 1, predictions]` with the factor `L` of `K`, shape `[n, 2 or 3]`.
  init(_ solved: Matrix<Double>) {
    func product(_ a: Int, _ b: Int) -> Double {
      (0..<solved.rows).reduce(0) { $0 + solved[$1, a] * solved[$1, b] }
    }
    let ones = product(1, 1)
    if solved.columns == 3 {
      let (mixed, squares) = (product(1, 2), product(2, 2))
      let determinant = ones * squares - mixed * mixed
      let slope = (ones * product(2, 0) - mixed * product(1, 0)) / determinant
      if determinant > 1e-10 * ones * squares && slope > 0 {
        self.slope = slope
        intercept = (squares * product(1, 0) - mixed * product(2, 0)) / determinant
        covariance = (squares / determinant, -mixed / determinant, ones / determinant)
        return
      }
    }
    slope = 0
    intercept = product(1, 0) / ones
    covariance = (1 / ones, 0, 0)
  }

  func mean(_ prediction: Double) -> Double { intercept + slope * prediction }

  /// The variance at a point that comes from the uncertainty of the coefficients: `uᵀ·(Hᵀ·K⁻¹·H)⁻¹·u`, equation 2.42 of
  /// the source.
  ///
  /// - Parameters:
  ///   - one: `1 − 1ᵀ·K⁻¹·k*`.
  ///   - prediction: the same for the predictions.
  func variance(_ one: Double, _ prediction: Double) -> Double {
    covariance.0 * one * one + 2 * covariance.1 * one * prediction + covariance.2 * prediction * prediction
  }
}

/// The scaling that gave targets mean 0 and variance 1. Constant targets are only moved.
struct Standardisation: Sendable {
  let location: Double
  let scale: Double

  init(_ values: [Double]) {
    let count = Double(max(1, values.count))
    let mean = values.reduce(0, +) / count
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
    location = mean
    scale = variance > 1e-24 * mean * mean ? variance.squareRoot() : 1
  }

  func apply(_ value: Double) -> Double { (value - location) / scale }
  func undo(_ value: Double) -> Double { value * scale + location }
}
