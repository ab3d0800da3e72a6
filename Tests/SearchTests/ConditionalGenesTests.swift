import Foundation
import LinearAlgebra
import Search
import Testing

@Suite struct ConditionalGenesTests {
  /// Widths of six layers, a score, and an aggregation that only the scores "b" and "c" have.
  private static func space() throws -> BudgetedSpace {
    let (layers, cost) = try Spaces.layers(6)
    let aggregation = try Variable(
      name: "aggregation", domain: .categorical(["sum", "max", "last"]), segment: -1, module: "aggregation",
      condition: .init("score", isOneOf: ["b", "c"]))
    let design = try DesignSpace(layers.variables + [aggregation])
    let full = LinearCost(base: cost.base, weights: cost.weights + [0])
    return try BudgetedSpace(
      design, cost: full, budget: Budget(maximum: full.cost(design.highest) * 3 / 4, useWholeBudget: true))
  }

  /// Least with score "b" and aggregation "last".
  private static func objectives(_ genome: Genome) -> [Double] {
    let (score, aggregation) = (genome[genome.count - 2], genome[genome.count - 1])
    return [Spaces.damage(Array(genome.dropLast())) * (score == 1 ? 1 : 1.2) * (aggregation == 2 ? 0.9 : 1), 0]
  }

  private static func search(_ name: String, _ space: BudgetedSpace) throws -> any Optimizer {
    let first = space.space.variables.map { $0.isCategorical ? 0 : $0.nearest(to: $0.highest * 3 / 4) }
    switch name {
    case "evolution": return try NSGA2(space, objectives: 2, seed: 3)
    case "bayesian": return try BayesianSearch(space, objectives: 2, seed: 3)
    case "tpe": return try TreeParzenSearch(space, objectives: 2, seed: 3)
    case "nested": return try NestedSearch(space, objectives: 2, seed: 3)
    case "search-llm":
      return try SearchLLMEvolution(space, objectives: 2, seed: 3, initial: first, population: 20)
    case "quasi-random": return try QuasiRandomSearch(space, objectives: 2, seed: 3)
    default: return try RandomSearch(space, objectives: 2, seed: 3)
    }
  }

  /// No optimiser asks the same network twice under different values of an inactive gene, and optimisers that learn
  /// find the active one.
  @Test(arguments: ["evolution", "bayesian", "tpe", "nested", "search-llm", "quasi-random", "random"])
  func optimizersLeaveInactiveGenesAlone(_ name: String) throws {
    let space = try Self.space()
    var optimizer = try Self.search(name, space)
    let asked = try Spaces.run(&optimizer, count: 120, Self.objectives)
    #expect(asked.count == 120)
    #expect(Set(asked.map(\.genome)).count == 120)
    for candidate in asked {
      try space.space.validate(candidate.genome)
      #expect(space.space.canonical(candidate.genome) == candidate.genome)
    }
    #expect(Set(asked.map { Array($0.genome.suffix(2)) }).isSuperset(of: [[0, 0], [1, 0]]))
    if ["evolution", "bayesian", "tpe", "nested"].contains(name) {
      let best = try #require(asked.min { Self.objectives($0.genome)[0] < Self.objectives($1.genome)[0] })
      #expect(best.genome.suffix(2) == [1, 2])
    }
  }

  @Test func canonicalGenomes() throws {
    let space = try Self.space().space
    let genome = space.lowest
    let last = genome.count - 1
    #expect(!space.isActive(last, in: genome) && space.isActive(last - 1, in: genome))
    var varied = genome
    varied[last] = 2
    #expect(space.canonical(varied) == genome)
    #expect(throws: SearchError.self) { try space.validate(varied) }
    #expect(!space.describe(genome).contains("aggregation"))
    varied[last - 1] = 2
    #expect(space.canonical(varied) == varied)
    try space.validate(varied)
    #expect(space.describe(varied).hasSuffix("score=c aggregation=last"))
  }

  @Test func conditionsSurviveJSON() throws {
    let space = try Self.space().space
    let decoded = try JSONDecoder().decode(DesignSpace.self, from: JSONEncoder().encode(space))
    #expect(decoded == space)
    #expect(!decoded.isActive(decoded.variables.count - 1, in: decoded.lowest))
  }

  @Test func senselessConditionsAreRefused() throws {
    let score = try Variable(name: "score", domain: .categorical(["a", "b"]))
    let width = try Variable(name: "width", domain: .integer(low: 1, high: 4, step: 1))
    func conditional(_ on: String, _ choices: [String]) throws -> Variable {
      try Variable(
        name: "x", domain: .integer(low: 0, high: 3, step: 1), condition: .init(on, isOneOf: choices))
    }
    _ = try DesignSpace([score, conditional("score", ["b"])])
    for variables in [
      try [score, conditional("nothing", ["b"])], try [score, conditional("score", ["c"])],
      try [width, conditional("width", ["1"])], try [conditional("score", ["b"]), score],
    ] {
      #expect(throws: SearchError.self) { try DesignSpace(variables) }
    }
    let space = try DesignSpace([score, conditional("score", ["b"])])
    #expect(throws: SearchError.self) { try BudgetedSpace(space, cost: LinearCost(base: 0, weights: [0, 1])) }
  }
}
