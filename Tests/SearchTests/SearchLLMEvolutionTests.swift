import Testing

@testable import Search

@Suite struct SearchLLMEvolutionTests {
  private static func space() throws -> BudgetedSpace {
    let variables = try (0..<12).map { layer in
      try Variable(name: "layers.\(layer).mlp", domain: .integer(low: 0, high: 100, step: 5), segment: layer)
    }
    return try BudgetedSpace(
      DesignSpace(variables), cost: LinearCost(base: 0, weights: variables.map { _ in 1 }),
      budget: Budget(maximum: 720, useWholeBudget: true))
  }

  private static func run(_ seed: UInt64, _ count: Int) throws -> SearchLLMEvolution {
    let space = try space()
    var search = try SearchLLMEvolution(
      space, objectives: 2, seed: seed, initial: space.space.variables.map { _ in 60 }, population: 20)
    while search.evaluated.count < count {
      for candidate in try search.askBatch(limit: 20) {
        let loss = candidate.genome.enumerated().reduce(0.0) { $0 + Double((100 - $1.1) * ($1.0 + 1)) }
        try search.tell(candidate.ordinal, objectives: [loss, Double(space.cost.cost(candidate.genome))])
      }
    }
    return search
  }

  /// Nothing is larger than the budget or far below it, nothing is asked twice, and it gets better.
  @Test func staysAtItsSizeAndImproves() throws {
    let search = try Self.run(1, 400)
    let all = search.evaluated
    #expect(Set(all.map(\.candidate.genome)).count == all.count)
    #expect(all[0].candidate.origin == "uniform")
    #expect(all.dropFirst().allSatisfy { (705...720).contains($0.objectives[1]) })
    let best = all.map { $0.objectives[0] }.min() ?? 0
    let first = all.prefix(20).map { $0.objectives[0] }.min() ?? 0
    #expect(best < 0.9 * first)
    #expect(search.generation == 19)
    let origins = all[20..<40].map(\.candidate.origin)
    #expect(
      origins == Array(repeating: "mutation", count: 10) + Array(repeating: "crossover", count: 6)
        + Array(repeating: "fresh", count: 4))
  }

  @Test func isDeterminedByItsSeed() throws {
    #expect(try Self.run(1, 60).evaluated == Self.run(1, 60).evaluated)
    #expect(try Self.run(1, 60).evaluated != Self.run(2, 60).evaluated)
    var search = try Self.run(1, 0)
    for _ in 0..<20 { _ = try search.ask() }
    #expect(throws: SearchError.resultsPending(ordinals: Array(0..<20))) { try search.ask() }
  }
}
