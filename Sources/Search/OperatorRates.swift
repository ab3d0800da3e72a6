/// The rates of the evolution's operators: in proportion to how often their children survived lately.
///
/// Probability matching (Thierens, "An adaptive pursuit strategy for allocating operator probabilities", GECCO 2005,
/// section 2) on top of fixed shares: an operator's share is multiplied by its rate of survival relative to the mean
/// rate, within bounds, so that none dies out. Counts fade, because an operator that helps at first need not help
/// later.
struct OperatorRates: Sendable {
  /// Weight of a generation's counts in the next generation.
  private static let memory = 0.9
  /// Number of children that each operator starts with, at the mean rate.
  private static let prior = 6.0
  private static let bounds = 0.25...4.0

  private var uses: [Variation.Operator: Double] = [:]
  private var survivals: [Variation.Operator: Double] = [:]

  /// Learns from a generation: the operators of each child, and whether it survived.
  mutating func learn(_ children: [(operators: [Variation.Operator], survived: Bool)]) {
    uses = uses.mapValues { $0 * Self.memory }
    survivals = survivals.mapValues { $0 * Self.memory }
    for child in children {
      for name in Set(child.operators) {
        uses[name, default: 0] += 1
        survivals[name, default: 0] += child.survived ? 1 : 0
      }
    }
  }

  /// The factor of an operator's share.
  func factor(_ name: Variation.Operator) -> Double {
    // Always in the same order: with a dictionary's order the sum, and so the search, would not repeat.
    func total(_ counts: [Variation.Operator: Double]) -> Double {
      Variation.Operator.allCases.reduce(0) { $0 + (counts[$1] ?? 0) }
    }
    let (allUses, allSurvivals) = (total(uses), total(survivals))
    guard allUses > 0, allSurvivals > 0 else { return 1 }
    let mean = allSurvivals / allUses
    let rate = ((survivals[name] ?? 0) + Self.prior * mean) / ((uses[name] ?? 0) + Self.prior)
    return min(max(rate / mean, Self.bounds.lowerBound), Self.bounds.upperBound)
  }

  /// A share as a whole number, for drawing.
  func weight(_ name: Variation.Operator, share: Int) -> Int { Int((Double(share) * 64 * factor(name)).rounded()) }
}
