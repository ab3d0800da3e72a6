import LinearAlgebra

/// Chooses the rotary pairs that stay: those without which the loss grows least.
enum RotaryPairs {
  /// - Parameters:
  ///   - losses: `M`, shape `[pairs, pairs]`: without the pairs `R` the loss grows by `Σ_{i,j ∈ R} M_ij`, in nats.
  ///   - count: number of pairs that stay.
  /// - Returns: ascending.
  static func kept(_ losses: Matrix<Double>, _ count: Int) -> [Int] {
    var removed: [Int] = []
    /// The share that a pair adds to the loss of those that are removed.
    func price(_ pair: Int, _ others: [Int]) -> Double {
      others.reduce(losses[pair, pair]) { $0 + losses[pair, $1] + losses[$1, pair] }
    }
    func cheapest(_ others: [Int], except taken: [Int]) -> Int? {
      (0..<losses.rows).filter { !taken.contains($0) }.min { price($0, others) < price($1, others) }
    }
    while losses.rows - removed.count > count, let next = cheapest(removed, except: removed) { removed.append(next) }
    // Exchanges, until none is better; each lowers the loss, so there is an end.
    var improves = true
    while improves {
      improves = false
      for place in removed.indices {
        let others = removed.enumerated().filter { $0.offset != place }.map(\.element)
        guard let next = cheapest(others, except: removed),
          price(next, others) < price(removed[place], others) * (1 - 1e-9)
        else { continue }
        (removed[place], improves) = (next, true)
      }
    }
    return (0..<losses.rows).filter { !removed.contains($0) }
  }
}
