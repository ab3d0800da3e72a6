extension CalibrationFilter {
  /// A band of losses under the dense model, between two quantiles, in which candidate windows are kept. Low losses
  /// mark boilerplate and repetition, high ones noise and text of another kind.
  public struct LossBand: Codable, Equatable, Sendable, CustomStringConvertible {
    /// Quantiles in 0 … 1, `lower` below `upper`.
    public var lower: Double
    public var upper: Double

    /// The narrowest useful band: twenty candidates for one window.
    public static let leastWidth = 0.05
    /// Largest rounding error of a product of quantile and rank.
    private static let slack = 1e-9

    public init(lower: Double, upper: Double) {
      self.lower = lower
      self.upper = upper
    }

    public var isValid: Bool { lower >= 0 && upper <= 1 && upper - lower >= Self.leastWidth - Self.slack }

    /// The text on the command line.
    public var description: String { "\(lower),\(upper)" }

    /// The smallest number of candidates that leaves at least `count` windows in the band.
    public func candidates(for count: Int) -> Int {
      Int((Double(count) / (upper - lower) - Self.slack).rounded(.up)) + 1
    }

    /// Selects the windows that stay.
    ///
    /// If the `n` losses are sorted, those with ranks from `lower · (n − 1)` to `upper · (n − 1)` are in the band, and
    /// so are losses that equal the outermost of them. A loss that is not finite is never in the band.
    ///
    /// - Parameter losses: mean negative log-likelihood of each candidate window under the dense model, in nats.
    /// - Returns: indices of the windows that stay, ascending, and the lowest and highest loss in the band; no limits
    ///   if no window stays.
    public func kept(_ losses: [Double]) -> (indices: [Int], limits: ClosedRange<Double>?) {
      let sorted = losses.filter(\.isFinite).sorted()
      let last = Double(sorted.count - 1)
      let first = Int((lower * last - Self.slack).rounded(.up))
      let final = Int((upper * last + Self.slack).rounded(.down))
      guard !sorted.isEmpty, first <= final, sorted.indices.contains(first), sorted.indices.contains(final) else {
        return ([], nil)
      }
      let limits = sorted[first]...sorted[final]
      return (losses.indices.filter { limits.contains(losses[$0]) }, limits)
    }
  }
}
