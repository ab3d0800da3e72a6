/// Agreement of two lists of values in their order.
public enum RankCorrelation {
  /// Spearman's ρ: the correlation of the ranks, from -1 to 1. Equal values share the mean of their ranks.
  ///
  /// - Returns: `nil` for fewer than two values, or if all values of a list are equal or one is NaN.
  public static func spearman(_ a: [Double], _ b: [Double]) -> Double? {
    guard a.count == b.count, a.count > 1, !(a + b).contains(where: \.isNaN) else { return nil }
    let (x, y) = (ranks(a), ranks(b))
    let mean = Double(a.count - 1) / 2
    func sum(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).reduce(0) { $0 + ($1.0 - mean) * ($1.1 - mean) } }
    let spread = (sum(x, x) * sum(y, y)).squareRoot()
    return spread > 0 ? sum(x, y) / spread : nil
  }

  private static func ranks(_ values: [Double]) -> [Double] {
    let order = values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
    var ranks = Array(repeating: 0.0, count: values.count)
    var start = 0
    while start < order.count {
      var end = start
      while end + 1 < order.count, values[order[end + 1]] == values[order[start]] { end += 1 }
      for place in start...end { ranks[order[place]] = Double(start + end) / 2 }
      start = end + 1
    }
    return ranks
  }
}
