/// The box around an incumbent in which a Bayesian search looks. It grows after successes and shrinks after failures.
///
/// Source: Eriksson, Pearce, Gardner, Turner and Poloczek, "Scalable Global Optimization via Local Bayesian
/// Optimization" (TuRBO), NeurIPS 2019, section 2.2 and appendix; with the front's hypervolume as the measure of
/// success as in Daulton, Eriksson, Balandat and Bakshy, "Multi-Objective Bayesian Optimization over High-Dimensional
/// Search Spaces" (MORBO), UAI 2022. The state follows from the batches' results in their order, from nothing else.
struct TrustRegion: Sendable, Equatable {
  static let initialSide = 0.8
  static let largestSide = 1.6
  static let smallestSide = 0.0078125
  private static let successesToGrow = 3

  /// The edge of the box in units of every variable's range.
  private(set) var side = initialSide
  /// Whether the last batch shrank the region below its smallest side, so that it was reset.
  private(set) var restarted = false
  private let failuresToShrink: Int
  private var successes = 0
  private var failures = 0

  /// - Parameters:
  ///   - dimensions: number of variables that can move.
  ///   - batch: number of candidates in a batch.
  init(dimensions: Int, batch: Int) {
    failuresToShrink = max(4, dimensions) / batch + 1
  }

  /// Learns from a batch.
  mutating func advance(success: Bool) {
    restarted = false
    (successes, failures) = success ? (successes + 1, 0) : (0, failures + 1)
    if successes == Self.successesToGrow {
      side = min(2 * side, Self.largestSide)
      successes = 0
    }
    if failures == failuresToShrink {
      side /= 2
      failures = 0
    }
    if side < Self.smallestSide {
      side = Self.initialSide
      restarted = true
    }
  }

  /// Whether new points improve on old ones by more than a thousandth: of the best value for one objective, of the
  /// front's hypervolume for two.
  static func succeeds(_ new: [[Double]], over old: [[Double]]) -> Bool {
    guard let first = old.first else { return !new.isEmpty }
    let best = old.map { $0[0] }.min() ?? first[0]
    if first.count == 1 { return new.contains { $0[0] < best - 1e-3 * abs(best) } }
    let front = ParetoFront.nonDominated(old).map { old[$0] }
    let reference = first.indices.map { objective in
      let values = front.map { $0[objective] }
      let (low, high) = (values.min() ?? 0, values.max() ?? 0)
      return high > low ? high + 0.1 * (high - low) : old.map { $0[objective] }.max() ?? high
    }
    guard let before = try? ParetoFront.hypervolume(front, reference: reference),
      let after = try? ParetoFront.hypervolume(front + new, reference: reference)
    else { return false }
    return after > before * (1 + 1e-3)
  }
}
