import Search
import Testing

@Suite struct OptimizerTests {
  private func budgeted(keep: Int, layers: Int = 12) throws -> BudgetedSpace {
    let (design, cost) = try Spaces.layers(layers)
    let maximum = cost.cost(design.highest) * keep / 100
    return try BudgetedSpace(design, cost: cost, budget: Budget(maximum: maximum, useWholeBudget: true))
  }

  private func uniform(_ space: BudgetedSpace) -> Genome {
    space.space.variables.map { $0.isCategorical ? 0 : $0.nearest(to: $0.highest * 3 / 4) }
  }

  // MARK: - The conversation

  @Test func asksWaitForTheGenerationBefore() throws {
    var optimizer = try NSGA2(budgeted(keep: 80), objectives: 1, seed: 1)
    let batch = try optimizer.askBatch(limit: 100)
    #expect(batch.map(\.ordinal) == Array(0..<16))
    #expect(throws: SearchError.resultsPending(ordinals: Array(0..<16))) { try optimizer.ask() }
    #expect(throws: SearchError.unknownOrdinal(16)) { try optimizer.tell(16, objectives: [1]) }
    #expect(throws: SearchError.wrongObjectiveCount(ordinal: 3, expected: 1, found: 2)) {
      try optimizer.tell(3, objectives: [1, 2])
    }
    #expect(throws: SearchError.self) { try optimizer.tell(3, objectives: [.nan]) }
    for candidate in batch.dropLast() {
      try optimizer.tell(candidate.ordinal, objectives: [Spaces.damage(candidate.genome)])
    }
    #expect(throws: SearchError.alreadyTold(3)) { try optimizer.tell(3, objectives: [1]) }
    #expect(throws: SearchError.alreadyTold(3)) { try optimizer.tellFailure(3) }
    #expect(optimizer.pending == [15])
    try optimizer.tellFailure(15)
    #expect(optimizer.failures == 1)
    #expect(try optimizer.ask()?.ordinal == 16)
    #expect(optimizer.generation == 1)
    #expect(optimizer.population.count == 15)
  }

  @Test func senselessSettingsAreRefused() throws {
    let space = try budgeted(keep: 80)
    var settings = NSGA2.Settings()
    settings.population = 1
    #expect(throws: SearchError.self) { try NSGA2(space, objectives: 1, seed: 0, settings: settings) }
    settings = NSGA2.Settings()
    settings.crossover = .nan
    #expect(throws: SearchError.self) { try NSGA2(space, objectives: 1, seed: 0, settings: settings) }
    settings = NSGA2.Settings()
    settings.halving = 0
    #expect(throws: SearchError.self) { try NSGA2(space, objectives: 1, seed: 0, settings: settings) }
    #expect(throws: SearchError.self) { try NSGA2(space, objectives: 0, seed: 0) }
    #expect(throws: SearchError.self) { try RandomSearch(space, objectives: 0, seed: 0) }
    #expect(throws: SearchError.self) { try NSGA2(space, objectives: 1, seed: 0, initial: [([1, 2], "short")]) }
  }

  @Test func firstGenomesComeFirstAndUnchanged() throws {
    let space = try budgeted(keep: 80)
    let baseline = uniform(space)
    let dense = space.space.highest
    let initial = [(baseline, "uniform"), (dense, "dense"), (baseline, "again")]
    var optimizer = try NSGA2(space, objectives: 1, seed: 4, initial: initial)
    let batch = try optimizer.askBatch(limit: 16)
    #expect(batch[0].genome == baseline && batch[0].origin == "uniform")
    #expect(batch[1].origin == "dense")
    #expect(space.isAcceptable(batch[1].genome))
    #expect(batch[2].origin != "again")
    #expect(Set(batch.map(\.genome)).count == 16)
  }

  // MARK: - Budgets

  @Test func everyCandidateUsesTheWholeBudget() throws {
    let space = try budgeted(keep: 75)
    var optimizer = try NSGA2(space, objectives: 1, seed: 9)
    let asked = try Spaces.run(&optimizer, count: 300) { [Spaces.damage($0)] }
    #expect(asked.count == 300)
    #expect(Set(asked.map(\.genome)).count == 300)
    for candidate in asked {
      try space.space.validate(candidate.genome)
      #expect(space.isAcceptable(candidate.genome))
    }
    #expect(Set(asked.map(\.origin)) == ["random", "shift", "swap", "crossover", "uniform-crossover"])
  }

  @Test func spanningCandidatesStayInTheBand() throws {
    let (design, cost) = try Spaces.layers(12)
    let full = cost.cost(design.highest)
    let space = try BudgetedSpace(design, cost: cost, budget: Budget(maximum: full, minimum: full / 2))
    let initial = [(uniform(try budgeted(keep: 80)), "uniform")]
    var optimizer = try NSGA2(space, objectives: 2, seed: 9, initial: initial)
    let asked = try Spaces.run(&optimizer, count: 300) { [Spaces.damage($0), Double(cost.cost($0))] }
    let costs = asked.map { cost.cost($0.genome) }
    #expect(costs.allSatisfy(space.allowed.contains))
    #expect(asked.contains { $0.origin == "resize" })
    // The front reaches over most of the band.
    let front = optimizer.front.map { $0.objectives[1] }
    #expect((front.max() ?? 0) - (front.min() ?? 0) > 0.8 * Double(full) / 2)
  }

  // MARK: - Resuming

  @Test func replayedResultsGiveTheSameCandidates() throws {
    let space = try budgeted(keep: 80)
    let initial = [(uniform(space), "uniform")]
    var original = try NSGA2(space, objectives: 2, seed: 77, initial: initial)
    func objectives(_ genome: Genome) -> [Double] { [Spaces.damage(genome), Double(genome[1])] }
    let asked = try Spaces.run(&original, count: 130, objectives)
    for known in [0, 1, 15, 16, 17, 64, 129] {
      var resumed = try NSGA2(space, objectives: 2, seed: 77, initial: initial)
      var candidates = try Spaces.run(&resumed, count: known, objectives)
      candidates += try Spaces.run(&resumed, count: 130 - known, objectives)
      #expect(candidates == asked)
      #expect(resumed.front == original.front)
    }
    var other = try NSGA2(space, objectives: 2, seed: 78, initial: initial)
    #expect(try Spaces.run(&other, count: 130, objectives) != asked)
  }

  @Test func theOrderOfResultsDoesNotMatter() throws {
    let space = try budgeted(keep: 80)
    var forwards = try NSGA2(space, objectives: 1, seed: 5)
    var backwards = try NSGA2(space, objectives: 1, seed: 5)
    for generation in 0..<5 {
      let batch = try forwards.askBatch(limit: 16)
      #expect(try backwards.askBatch(limit: 16) == batch)
      for candidate in batch {
        if candidate.ordinal % 7 == generation {
          try forwards.tellFailure(candidate.ordinal)
        } else {
          try forwards.tell(candidate.ordinal, objectives: [Spaces.damage(candidate.genome)])
        }
      }
      for candidate in batch.reversed() {
        if candidate.ordinal % 7 == generation {
          try backwards.tellFailure(candidate.ordinal)
        } else {
          try backwards.tell(candidate.ordinal, objectives: [Spaces.damage(candidate.genome)])
        }
      }
    }
    #expect(try forwards.ask() == backwards.ask())
  }

  @Test func aGenerationOfFailuresIsSurvived() throws {
    let space = try budgeted(keep: 80)
    for initial in [[], [(uniform(space), "uniform")]] {
      var optimizer = try NSGA2(space, objectives: 1, seed: 5, initial: initial)
      for _ in 0..<45 {
        let candidate = try #require(try optimizer.ask())
        try optimizer.tellFailure(candidate.ordinal)
      }
      #expect(optimizer.failures == 45)
      #expect(optimizer.population.isEmpty)
      #expect(optimizer.front.isEmpty)
    }
  }

  // MARK: - Ends

  @Test func smallSpacesAreExhausted() throws {
    let design = try DesignSpace([
      Variable(name: "a", domain: .integer(low: 0, high: 6, step: 2), segment: 0),
      Variable(name: "b", domain: .integer(low: 1, high: 5, step: 1), segment: 1),
      Variable(name: "c", domain: .categorical(["x", "y", "z"]), segment: 2),
    ])
    let cost = LinearCost(base: 0, weights: [3, 5, 0])
    let whole = try BudgetedSpace(design, cost: cost)
    var optimizer = try NSGA2(whole, objectives: 1, seed: 3)
    #expect(try Spaces.run(&optimizer, count: 1000) { [Double($0[0])] }.count == 60)
    #expect(try optimizer.ask() == nil)
    var control = try RandomSearch(whole, objectives: 1, seed: 3)
    #expect(try control.askBatch(limit: 1000).count == 60)

    let capped = try BudgetedSpace(design, cost: cost, budget: Budget(maximum: 30, useWholeBudget: true))
    var filled = try NSGA2(capped, objectives: 1, seed: 3)
    // (a, b) with no step left under 30: (0,5), (2,4), (4,3), (6,2), each with three choices.
    let asked = try Spaces.run(&filled, count: 1000) { [Double($0[0])] }
    #expect(Set(asked.map { [$0.genome[0], $0.genome[1]] }) == [[0, 5], [2, 4], [4, 3], [6, 2]])
    #expect(asked.count == 12)
  }

  @Test func aSpaceOfOneGenome() throws {
    let design = try DesignSpace([Variable(name: "a", domain: .integer(low: 4, high: 4, step: 1))])
    let space = try BudgetedSpace(design, cost: LinearCost(base: 0, weights: [1]))
    var optimizer = try NSGA2(space, objectives: 1, seed: 0)
    #expect(try Spaces.run(&optimizer, count: 10) { [Double($0[0])] }.map(\.genome) == [[4]])
    let nothing = try BudgetedSpace(DesignSpace([]), cost: LinearCost(base: 3, weights: []))
    var empty = try NSGA2(nothing, objectives: 1, seed: 0)
    #expect(try Spaces.run(&empty, count: 10) { _ in [0] }.map(\.genome) == [[]])
  }

  // MARK: - Is it any good?

  @Test func beatsRandomSearchOnZDT1() throws {
    let space = try Spaces.zdt1Space(variables: 10, levels: 64)
    for seed in 1...5 as ClosedRange<UInt64> {
      var evolution = try NSGA2(space, objectives: 2, seed: seed)
      var control = try RandomSearch(space, objectives: 2, seed: seed)
      _ = try Spaces.run(&evolution, count: 600) { Spaces.zdt1($0, levels: 64) }
      _ = try Spaces.run(&control, count: 600) { Spaces.zdt1($0, levels: 64) }
      let reference = [1.1, 6.0]
      let found = try ParetoFront.hypervolume(evolution.front.map(\.objectives), reference: reference)
      let drawn = try ParetoFront.hypervolume(control.front.map(\.objectives), reference: reference)
      // The true front dominates 6.6 − 1/3 of it.
      #expect(found > 5.6)
      #expect(found > drawn + 0.8)
    }
  }

  @Test func beatsRandomSearchOnAnAllocation() throws {
    let space = try budgeted(keep: 70)
    for seed in 1...5 as ClosedRange<UInt64> {
      var evolution = try NSGA2(space, objectives: 1, seed: seed, initial: [(uniform(space), "uniform")])
      var control = try RandomSearch(space, objectives: 1, seed: seed, initial: [(uniform(space), "uniform")])
      _ = try Spaces.run(&evolution, count: 400) { [Spaces.damage($0)] }
      _ = try Spaces.run(&control, count: 400) { [Spaces.damage($0)] }
      let found = try #require(evolution.front.first).objectives[0]
      let drawn = try #require(control.front.first).objectives[0]
      #expect(found < 0.8 * drawn)
    }
  }
}
