import CNumerics

/// Agreement of two lists of values in their order.
public enum RankCorrelation {
  /// Spearman's ρ, from GSL: the correlation of the ranks, from -1 to 1. Equal values share the mean of their ranks.
  ///
  /// - Returns: `nil` for fewer than two values, or if all values of a list are equal or one is NaN.
  public static func spearman(_ a: [Double], _ b: [Double]) -> Double? {
    guard a.count == b.count, a.count > 1, !(a + b).contains(where: \.isNaN) else { return nil }
    var work = Array(repeating: 0.0, count: 2 * a.count)
    let found = gsl_stats_spearman(a, 1, b, 1, a.count, &work)
    return found.isFinite ? found : nil
  }
}
