import LinearAlgebra
import Testing

@testable import Search

@Suite struct CostTableTests {
  /// A linear cost in a table costs the same, and the budgeted space treats it alike.
  @Test(arguments: 0..<12) func aLinearCostInATableIsTheSame(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed, stream: 0)
    let (design, linear) = try Spaces.random(using: &generator)
    let table = SteppedCost(base: linear.base, for: design) { linear.cost(of: $0, at: $1) }
    try table.validate(for: design)
    let highest = linear.cost(design.highest)
    let budget = Budget(maximum: (linear.cost(design.lowest) + highest) / 2, useWholeBudget: true)
    guard let one = try? BudgetedSpace(design, cost: linear, budget: budget) else { return }
    let other = try BudgetedSpace(design, cost: table, budget: budget)
    #expect(one.reachable == other.reachable && one.allowed == other.allowed)
    for stream in 0..<40 {
      var mine = SeededGenerator(seed: seed, stream: UInt64(stream))
      var theirs = mine
      let genome = one.randomGenome(using: &mine)
      _ = other.randomGenome(using: &theirs)
      #expect(linear.cost(genome) == table.cost(genome))
      #expect(try one.fit(genome, using: &mine) == other.fit(genome, using: &theirs))
      #expect(one.isAcceptable(genome) == other.isAcceptable(genome))
    }
  }

  /// Widths come in tiles of eight, as times on a processor do: in between a unit costs nothing.
  private func tiled(_ layers: Int) throws -> (DesignSpace, SteppedCost) {
    let design = try DesignSpace(
      (0..<layers).flatMap { layer in
        [
          try Variable(name: "\(layer).attention", domain: .integer(low: 0, high: 4, step: 1), segment: layer),
          try Variable(name: "\(layer).mlp", domain: .integer(low: 2, high: 64, step: 2), segment: layer),
        ]
      })
    let table = SteppedCost(base: 100, for: design) { variable, value in
      variable % 2 == 0 ? 30 * value : 17 * ((value + 7) / 8) + value / 40 * 9
    }
    return (design, table)
  }

  @Test(arguments: [0.3, 0.5, 0.8]) func aStaircaseIsMet(share: Double) throws {
    let (design, table) = try tiled(6)
    let (low, high) = (table.cost(design.lowest), table.cost(design.highest))
    let maximum = low + Int(share * Double(high - low))
    let space = try BudgetedSpace(design, cost: table, budget: Budget(maximum: maximum, useWholeBudget: true))
    for stream in 0..<50 {
      var generator = SeededGenerator(seed: 5, stream: UInt64(stream))
      let genome = try space.fit(space.randomGenome(using: &generator), using: &generator)
      try design.validate(genome)
      #expect(table.cost(genome) <= maximum && maximum - table.cost(genome) < 30)
      #expect(space.isAcceptable(genome))
    }
  }

  /// Every optimiser's candidates keep to a budget in a table.
  @Test func optimisersKeepToATable() throws {
    let (design, table) = try tiled(4)
    let maximum = (table.cost(design.lowest) + table.cost(design.highest)) / 2
    let space = try BudgetedSpace(design, cost: table, budget: Budget(maximum: maximum))
    func check(_ optimizer: some Optimizer) throws {
      var optimizer = optimizer
      for _ in 0..<40 {
        let candidate = try #require(try optimizer.ask())
        #expect(space.allowed.contains(table.cost(candidate.genome)))
        let loss = candidate.genome.reduce(0.0) { $0 + 1 / Double(1 + $1) }
        try optimizer.tell(candidate.ordinal, objectives: [loss, Double(table.cost(candidate.genome))])
      }
    }
    try check(NSGA2(space, objectives: 2, seed: 1))
    try check(BayesianSearch(space, objectives: 2, seed: 1, cost: (1, table)))
    try check(TreeParzenSearch(space, objectives: 2, seed: 1))
  }

  @Test func tablesThatFallAreRefused() throws {
    let (design, _) = try tiled(1)
    let falling = SteppedCost(base: 0, for: design) { $0 == 0 ? 10 - $1 : $1 }
    let error = SearchError.invalidCost(reason: "the cost of '0.attention' falls from 10 to 9")
    #expect(throws: error) { try BudgetedSpace(design, cost: falling) }
    let other = try tiled(2).1
    #expect(throws: SearchError.invalidCost(reason: "4 tables for 2 variables")) {
      try BudgetedSpace(design, cost: other)
    }
    let huge = SteppedCost(base: 0, for: design) { $1 == 64 ? .max / 2 : $0 * 0 }
    #expect(throws: SearchError.self) { try BudgetedSpace(design, cost: huge) }
  }
}
