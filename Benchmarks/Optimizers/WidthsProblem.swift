import Foundation
import Search

/// Widths of twelve layers against a loss that they and a choice of importance score determine.
///
/// Each layer has 1…8 attention groups and 1…32 blocks of channels, with different costs and importances. The loss is
/// `exp(Σ importance·(1 − share kept)²) − 1`: positive and skewed as a divergence, and not separable; how important a
/// module is depends on the choice, and none of the three choices is best for all modules. As what is in the exponent is
/// separable, the front follows from dynamic programming over the cost.
enum Widths {
  static let layers = 12
  static let groups = 8
  static let blocks = 32
  static let groupCost = 24
  static let blockCost = 7
  static let choices = ["magnitude", "activation", "gradient"]
  static let baseCost = 1000

  /// How much the loss's exponent grows when a module is gone: per layer attention, channels, attention, …
  static func importance(_ choice: Int, _ module: Int) -> Double {
    let rank = Double((module * 7 + choice * 5) % 11)
    return 0.05 + 0.3 * rank * rank / 100 + (choice == 2 ? 0 : 0.05)
  }

  static func top(_ module: Int) -> Int { module % 2 == 0 ? groups : blocks }
  static func unitCost(_ module: Int) -> Int { module % 2 == 0 ? groupCost : blockCost }

  static func damage(_ choice: Int, _ module: Int, width: Int) -> Double {
    let gone = 1 - Double(width) / Double(top(module))
    return importance(choice, module) * gone * gone
  }

  static func loss(_ genome: Genome) -> Double {
    let choice = genome[2 * layers]
    return expm1((0..<2 * layers).reduce(0) { $0 + damage(choice, $1, width: genome[$1]) })
  }

  /// The lowest loss of every cost that can be reached.
  static func front(_ space: BudgetedSpace) -> [[Double]] {
    let span = space.allowed.upperBound - baseCost
    var best = Array(repeating: Double.infinity, count: span + 1)
    for choice in choices.indices {
      var sums = Array(repeating: Double.infinity, count: span + 1)
      sums[0] = 0
      for module in 0..<2 * layers {
        var next = Array(repeating: Double.infinity, count: span + 1)
        for width in 1...top(module) {
          let (cost, added) = (width * unitCost(module), damage(choice, module, width: width))
          for spent in 0...max(0, span - cost) where sums[spent] + added < next[spent + cost] {
            next[spent + cost] = sums[spent] + added
          }
        }
        sums = next
      }
      for spent in 0...span { best[spent] = min(best[spent], sums[spent]) }
    }
    return (0...span).filter { best[$0].isFinite }.map { [expm1(best[$0]), Double($0 + baseCost)] }
  }
}

extension Problem {
  init(widths name: String) throws {
    var variables: [Variable] = []
    for module in 0..<2 * Widths.layers {
      let kind = module % 2 == 0 ? "attention" : "mlp"
      variables.append(
        try Variable(
          name: "layers.\(module / 2).\(kind)", domain: .integer(low: 1, high: Widths.top(module), step: 1),
          segment: module / 2, module: kind))
    }
    variables.append(try Variable(name: "score", domain: .categorical(Widths.choices), segment: -1, module: "score"))
    let cost = LinearCost(baseCost: Widths.baseCost)
    let space = try BudgetedSpace(DesignSpace(variables), cost: cost)
    let middle = Double(space.allowed.lowerBound + space.allowed.upperBound) / 2
    let front = Widths.front(space)
    // Four times the best loss of half the cost: candidates that lose more do not count.
    let worst = 4 * (front.filter { $0[1] <= middle }.map { $0[0] }.min() ?? 1)
    try self.init(
      name, space, costObjective: 1, reference: [worst, Double(space.allowed.upperBound)], front: front
    ) { [Widths.loss($0), Double(cost.cost($0))] }
  }
}

extension LinearCost {
  fileprivate init(baseCost: Int) {
    self.init(base: baseCost, weights: (0..<2 * Widths.layers).map(Widths.unitCost) + [0])
  }
}
