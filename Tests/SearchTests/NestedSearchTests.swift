import Search
import Testing

@Suite struct NestedSearchTests {
  /// Widths of twelve layers, a score and a number that costs nothing; the target uses the whole budget.
  private static func space() throws -> BudgetedSpace {
    let (layers, cost) = try Spaces.layers(12)
    let damping = try Variable(name: "damping", domain: .integer(low: 0, high: 4, step: 1), segment: -1)
    let design = try DesignSpace(layers.variables + [damping])
    let full = LinearCost(base: cost.base, weights: cost.weights + [0])
    return try BudgetedSpace(
      design, cost: full, budget: Budget(maximum: full.cost(design.highest) * 3 / 4, useWholeBudget: true))
  }

  /// The damage of the widths, least with score "b" and with damping 3.
  private static func loss(_ genome: Genome) -> Double {
    let (score, damping) = (genome[genome.count - 2], genome[genome.count - 1])
    return Spaces.damage(Array(genome.dropLast())) * (score == 1 ? 1 : 1.1) * (1 + 0.1 * Double(abs(damping - 3)))
  }

  private static func uniform(_ space: BudgetedSpace) -> Genome {
    space.space.variables.map { $0.name == "damping" || $0.isCategorical ? 0 : $0.nearest(to: $0.highest * 3 / 4) }
  }

  private static func run(
    _ seed: UInt64, _ count: Int, initial: Bool = true
  ) throws -> (search: NestedSearch, asked: [Candidate]) {
    let space = try space()
    let first = initial ? [(uniform(space), "uniform")] : []
    var search = try NestedSearch(space, objectives: 2, seed: seed, initial: first)
    let asked = try Spaces.run(&search, count: count) { [loss($0), Double(space.cost.cost($0))] }
    return (search, asked)
  }

  @Test(arguments: [true, false])
  func keepsToTheBudgetAndFindsTheSetting(initial: Bool) throws {
    let space = try Self.space()
    let (search, asked) = try Self.run(1, 160, initial: initial)
    #expect(asked.count == 160)
    #expect(Set(asked.map(\.genome)).count == 160)
    for candidate in asked {
      try space.space.validate(candidate.genome)
      #expect(space.isAcceptable(candidate.genome) || candidate.origin == "uniform")
    }
    let best = try #require(search.evaluated.min { $0.objectives[0] < $1.objectives[0] })
    // Score "b", damping 3.
    #expect(Array(best.candidate.genome.suffix(2)) == [1, 3])
    #expect(search.generation == 9)
  }

  /// Half of a generation keeps the best setting, a quarter tries two new ones twice, a quarter old ones again.
  @Test func aGenerationTriesNewSettings() throws {
    let (_, asked) = try Self.run(2, 64)
    func settings(_ range: Range<Int>) -> [[Int]] { asked[range].map { Array($0.genome.suffix(2)) } }
    for generation in 1...3 {
      let before = Set(settings(0..<16 * generation))
      // In the first generation there is one old setting only, the best.
      let first = 16 * generation + (generation == 1 ? 12 : 8)
      let kept = settings(16 * generation..<first)
      let new = settings(first..<first + 4)
      #expect(Set(kept).count == 1 && before.isSuperset(of: kept))
      #expect(Set(new).count == 2 && before.isDisjoint(with: new))
      #expect(before.isSuperset(of: settings(first + 4..<16 * generation + 16)))
    }
  }

  @Test func replayedResultsGiveTheSameCandidates() throws {
    let space = try Self.space()
    let asked = try Self.run(7, 80).asked
    #expect(try Self.run(8, 80).asked != asked)
    var resumed = try NestedSearch(space, objectives: 2, seed: 7, initial: [(Self.uniform(space), "uniform")])
    for candidate in asked.prefix(40) {
      #expect(try resumed.adopt(candidate))
      try resumed.tell(
        candidate.ordinal, objectives: [Self.loss(candidate.genome), Double(space.cost.cost(candidate.genome))])
    }
    let rest = try Spaces.run(&resumed, count: 40) { [Self.loss($0), Double(space.cost.cost($0))] }
    #expect(rest == Array(asked.suffix(40)))
  }

  @Test func needsGenesOfBothKinds() throws {
    let free = try Spaces.zdt1Space(variables: 4, levels: 5)
    #expect(throws: SearchError.self) { try NestedSearch(free, objectives: 1, seed: 0) }
    #expect(throws: SearchError.self) { try NestedSearch(Self.space(), objectives: 1, seed: 0, population: 1) }
    var search = try NestedSearch(Self.space(), objectives: 1, seed: 0)
    _ = try search.askBatch(limit: 16)
    #expect(throws: SearchError.resultsPending(ordinals: Array(0..<16))) { try search.ask() }
  }
}
