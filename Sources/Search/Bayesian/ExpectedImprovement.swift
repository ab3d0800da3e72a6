import Foundation

/// The expected improvement of a genome on the known results, in closed form, for one or two minimised objectives.
///
/// With one objective this is `E[max(0, best − f)]` (Jones, Schonlau and Welch, "Efficient Global Optimization of
/// Expensive Black-Box Functions", 1998). With two it is the expected hypervolume improvement: the expected growth of
/// the area that the front dominates. An objective that is known exactly has deviation 0.
///
/// Two objectives: let the front, sorted by its first objective, be `(a_1, b_1), …, (a_k, b_k)`, and `a_0 = −∞`, `b_0`
/// and `a_{k+1}` the reference. A point `f` gains `(b_i − f_2)⁺` of height over the part of the strip `a_i … a_{i+1}`
/// that is right of `f_1`. The objectives are independent, so the expectation is a sum of products over the strips,
///
/// `Σ_i (ψ_1(a_{i+1}) − ψ_1(a_i))·ψ_2(b_i)` with `ψ_j(t) = E[max(0, t − f_j)]`,
///
/// because `∫_a^b P(f_1 ≤ x) dx = ψ_1(b) − ψ_1(a)`. Source: the strips of Emmerich, Yang, Deutz, Wang and Fonseca, "A
/// Multicriteria Generalization of Bayesian Global Optimization", 2016, and Yang, Emmerich, Deutz and Bäck, "Efficient
/// computation of expected hypervolume improvement using box decomposition algorithms", 2019, section 3; exact in O(k).
struct ExpectedImprovement: Sendable {
  /// The best value of the only objective; infinite if none is known.
  private let best: Double
  /// Borders of the strips, ascending, from `a_1` on; the last is the reference's first coordinate.
  private let borders: [Double]
  /// The heights of the strips, descending; the first is the reference's second coordinate.
  private let heights: [Double]

  /// - Parameters:
  ///   - points: known objectives, one or two values each; dominated points do not matter.
  ///   - reference: the worst corner for two objectives; ignored for one.
  init(_ points: [[Double]], reference: [Double]) {
    if reference.count == 2 {
      var (borders, heights) = ([Double](), [reference[1]])
      for point in points.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
        if point[0] >= reference[0] || point[1] >= heights[heights.count - 1] { continue }
        borders.append(point[0])
        heights.append(point[1])
      }
      (best, self.borders, self.heights) = (0, borders + [reference[0]], heights)
    } else {
      (best, borders, heights) = (points.map { $0[0] }.min() ?? .infinity, [], [])
    }
  }

  /// The logarithm of the expected improvement; −∞ if none is possible.
  ///
  /// - Parameter beliefs: one for each objective.
  func logarithm(_ beliefs: [Belief]) -> Double {
    if beliefs.count == 1 { return beliefs[0].logShortfall(below: best) }
    let plain = value(beliefs)
    return plain > 1e-250 ? log(plain) : logarithmOfSum(beliefs)
  }

  /// The expected improvement itself; 0 also if it underflows.
  func value(_ beliefs: [Belief]) -> Double {
    if beliefs.count == 1 { return beliefs[0].shortfall(below: best) }
    var (total, left) = (0.0, 0.0)
    for (border, height) in zip(borders, heights) {
      let right = beliefs[0].shortfall(below: border)
      if right > left { total += (right - left) * beliefs[1].shortfall(below: height) }
      left = right
    }
    return total
  }

  /// The same sum with every term as its logarithm.
  private func logarithmOfSum(_ beliefs: [Belief]) -> Double {
    var terms: [Double] = []
    var left = -Double.infinity
    for (border, height) in zip(borders, heights) {
      let right = beliefs[0].logShortfall(below: border)
      if right > left {
        terms.append(right + log1p(-exp(left - right)) + beliefs[1].logShortfall(below: height))
      }
      left = right
    }
    guard let peak = terms.max(), peak.isFinite else { return -.infinity }
    return peak + log(terms.reduce(0) { $0 + exp($1 - peak) })
  }
}
