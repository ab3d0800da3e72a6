import LinearAlgebra
import Testing

@testable import Search

@Suite struct BayesianSearchTests {
  private func budgeted(keep: Int, layers: Int = 6) throws -> BudgetedSpace {
    let (design, cost) = try Spaces.layers(layers)
    let maximum = cost.cost(design.highest) * keep / 100
    return try BudgetedSpace(design, cost: cost, budget: Budget(maximum: maximum, useWholeBudget: true))
  }

  private func spanning() throws -> BudgetedSpace {
    let (design, cost) = try Spaces.layers(4)
    let full = cost.cost(design.highest)
    return try BudgetedSpace(design, cost: cost, budget: Budget(maximum: full, minimum: full / 2))
  }

  private func uniform(_ space: BudgetedSpace) -> Genome {
    space.space.variables.map { $0.isCategorical ? 0 : $0.nearest(to: $0.highest * 3 / 4) }
  }

  // MARK: - The conversation

  @Test func batchesWaitForTheOneBefore() throws {
    var optimizer = try BayesianSearch(budgeted(keep: 80), objectives: 1, seed: 1)
    let design = try optimizer.askBatch(limit: 100)
    #expect(design.count == 12 && design.allSatisfy { $0.origin == "quasi-random" })
    #expect(throws: SearchError.resultsPending(ordinals: Array(0..<12))) { try optimizer.ask() }
    for candidate in design {
      try optimizer.tell(candidate.ordinal, objectives: [Spaces.damage(candidate.genome)])
    }
    #expect(try optimizer.askBatch(limit: 100).map(\.ordinal) == [12, 13, 14, 15])
  }

  @Test func senselessSettingsAreRefused() throws {
    let space = try budgeted(keep: 80)
    for change in [\BayesianSearch.Settings.batch, \.fitStarts] {
      var settings = BayesianSearch.Settings()
      settings[keyPath: change] = 0
      #expect(throws: SearchError.self) { try BayesianSearch(space, objectives: 1, seed: 0, settings: settings) }
    }
    #expect(throws: SearchError.self) { try BayesianSearch(space, objectives: 3, seed: 0) }
    #expect(throws: SearchError.self) { try BayesianSearch(space, objectives: 1, seed: 0, cost: (0, space.cost)) }
    #expect(throws: SearchError.self) { try BayesianSearch(space, objectives: 2, seed: 0, cost: (2, space.cost)) }
  }

  // MARK: - Budgets

  @Test func everyCandidateUsesTheWholeBudget() throws {
    let space = try budgeted(keep: 75)
    var optimizer = try BayesianSearch(space, objectives: 1, seed: 9, initial: [(uniform(space), "uniform")])
    let asked = try Spaces.run(&optimizer, count: 60) { [Spaces.damage($0)] }
    #expect(asked[0].origin == "uniform")
    #expect(Set(asked.map(\.genome)).count == 60)
    for candidate in asked.dropFirst() {
      try space.space.validate(candidate.genome)
      #expect(space.isAcceptable(candidate.genome))
    }
  }

  @Test func spanningCandidatesStayInTheBand() throws {
    let space = try spanning()
    var optimizer = try BayesianSearch(space, objectives: 2, seed: 9, cost: (1, space.cost))
    let asked = try Spaces.run(&optimizer, count: 60) { [Spaces.damage($0), Double(space.cost.cost($0))] }
    #expect(asked.allSatisfy { space.allowed.contains(space.cost.cost($0.genome)) })
    #expect(Set(asked.map(\.genome)).count == 60)
    let front = optimizer.front.map { $0.objectives[1] }
    #expect((front.max() ?? 0) - (front.min() ?? 0) > 0.8 * Double(space.allowed.count))
  }

  // MARK: - Resuming

  @Test func adoptedCandidatesGiveTheSameFuture() throws {
    let space = try spanning()
    let initial = [(uniform(space), "uniform")]
    func objectives(_ genome: Genome) -> [Double] { [Spaces.damage(genome), Double(space.cost.cost(genome))] }
    func fresh() throws -> BayesianSearch {
      try BayesianSearch(space, objectives: 2, seed: 7, initial: initial, cost: (1, space.cost))
    }
    var original = try fresh()
    let asked = try Spaces.run(&original, count: 40, objectives)
    for known in [0, 1, 12, 13, 14, 27, 39] {
      var resumed = try fresh()
      for candidate in asked.prefix(known) {
        #expect(try resumed.adopt(candidate))
        try resumed.tell(candidate.ordinal, objectives: objectives(candidate.genome))
      }
      #expect(try asked.prefix(known) + Spaces.run(&resumed, count: 40 - known, objectives) == asked)
    }
  }

  @Test func candidatesThatCannotBeAreNotAdopted() throws {
    let space = try budgeted(keep: 80)
    var optimizer = try BayesianSearch(space, objectives: 1, seed: 7, initial: [(uniform(space), "uniform")])
    let first = Candidate(ordinal: 0, genome: uniform(space), origin: "uniform")
    #expect(try !optimizer.adopt(Candidate(ordinal: 1, genome: first.genome, origin: "")))
    #expect(try !optimizer.adopt(Candidate(ordinal: 0, genome: space.space.highest, origin: "")))
    #expect(try !optimizer.adopt(Candidate(ordinal: 0, genome: space.space.lowest, origin: "")))
    #expect(throws: SearchError.self) { try optimizer.adopt(Candidate(ordinal: 0, genome: [1], origin: "")) }
    #expect(try optimizer.adopt(first))
    #expect(try !optimizer.adopt(Candidate(ordinal: 1, genome: first.genome, origin: "")))
    for _ in 1..<13 { _ = try optimizer.ask() }
    #expect(throws: SearchError.self) {
      try optimizer.adopt(Candidate(ordinal: 13, genome: space.space.lowest, origin: ""))
    }
  }

  @Test func otherOptimisersAdoptByAsking() throws {
    let space = try budgeted(keep: 80)
    var original = try NSGA2(space, objectives: 1, seed: 3)
    var resumed = try NSGA2(space, objectives: 1, seed: 3)
    for candidate in try Spaces.run(&original, count: 40, { [Spaces.damage($0)] }) {
      #expect(try resumed.adopt(candidate))
      try resumed.tell(candidate.ordinal, objectives: [Spaces.damage(candidate.genome)])
    }
    #expect(try original.ask() == resumed.ask())
    #expect(try !resumed.adopt(Candidate(ordinal: 41, genome: space.space.highest, origin: "")))
  }

  @Test func theOrderOfResultsDoesNotMatter() throws {
    let space = try budgeted(keep: 80)
    var forwards = try BayesianSearch(space, objectives: 1, seed: 5)
    var backwards = try BayesianSearch(space, objectives: 1, seed: 5)
    for _ in 0..<5 {
      let batch = try forwards.askBatch(limit: 16)
      #expect(try backwards.askBatch(limit: 16) == batch)
      func tell(_ candidate: Candidate, _ optimizer: inout BayesianSearch) throws {
        if candidate.ordinal % 7 == 3 {
          try optimizer.tellFailure(candidate.ordinal)
        } else {
          try optimizer.tell(candidate.ordinal, objectives: [Spaces.damage(candidate.genome)])
        }
      }
      for candidate in batch { try tell(candidate, &forwards) }
      for candidate in batch.reversed() { try tell(candidate, &backwards) }
    }
    #expect(try forwards.ask() == backwards.ask())
  }

  @Test func resultsInsideABatchDoNotMatterForTheBatch() throws {
    let space = try budgeted(keep: 80)
    var waiting = try BayesianSearch(space, objectives: 1, seed: 5)
    var eager = waiting
    for candidate in try waiting.askBatch(limit: 12) {
      try waiting.tell(candidate.ordinal, objectives: [Spaces.damage(candidate.genome)])
    }
    _ = try Spaces.run(&eager, count: 12) { [Spaces.damage($0)] }
    #expect(try waiting.askBatch(limit: 4) == Spaces.run(&eager, count: 4) { [Spaces.damage($0)] })
  }

  // MARK: - Ends

  @Test func smallSpacesAreExhausted() throws {
    let design = try DesignSpace([
      Variable(name: "a", domain: .integer(low: 0, high: 6, step: 2), segment: 0),
      Variable(name: "b", domain: .integer(low: 1, high: 5, step: 1), segment: 1),
      Variable(name: "c", domain: .categorical(["x", "y", "z"]), segment: 2),
    ])
    let space = try BudgetedSpace(design, cost: LinearCost(base: 0, weights: [3, 5, 0]))
    var optimizer = try BayesianSearch(space, objectives: 1, seed: 3)
    #expect(try Spaces.run(&optimizer, count: 1000) { [Double($0[0])] }.count == 60)
    #expect(try optimizer.ask() == nil)
    let nothing = try BudgetedSpace(DesignSpace([]), cost: LinearCost(base: 3, weights: []))
    var empty = try BayesianSearch(nothing, objectives: 1, seed: 0)
    #expect(try Spaces.run(&empty, count: 10) { _ in [0] }.map(\.genome) == [[]])
  }

  @Test func failuresAreSurvived() throws {
    var optimizer = try BayesianSearch(budgeted(keep: 80), objectives: 2, seed: 5)
    for _ in 0..<30 {
      let candidate = try #require(try optimizer.ask())
      try optimizer.tellFailure(candidate.ordinal)
    }
    #expect(optimizer.failures == 30 && optimizer.front.isEmpty)
  }

  // MARK: - Is it any good?

  @Test func beatsEvolutionOnZDT1() throws {
    let space = try Spaces.zdt1Space(variables: 10, levels: 64)
    for seed in 1...2 as ClosedRange<UInt64> {
      var bayesian = try BayesianSearch(space, objectives: 2, seed: seed)
      var evolution = try NSGA2(space, objectives: 2, seed: seed)
      _ = try Spaces.run(&bayesian, count: 80) { Spaces.zdt1($0, levels: 64) }
      _ = try Spaces.run(&evolution, count: 80) { Spaces.zdt1($0, levels: 64) }
      let reference = [1.1, 6.0]
      let found = try ParetoFront.hypervolume(bayesian.front.map(\.objectives), reference: reference)
      let control = try ParetoFront.hypervolume(evolution.front.map(\.objectives), reference: reference)
      // The true front dominates 6.6 − 1/3 of it.
      #expect(found > 6.0)
      #expect(found > control + 0.8)
    }
  }

  @Test func beatsRandomSearchOnAnAllocation() throws {
    let space = try budgeted(keep: 70, layers: 12)
    var bayesian = try BayesianSearch(space, objectives: 1, seed: 1, initial: [(uniform(space), "uniform")])
    var control = try RandomSearch(space, objectives: 1, seed: 1, initial: [(uniform(space), "uniform")])
    _ = try Spaces.run(&bayesian, count: 100) { [Spaces.damage($0)] }
    _ = try Spaces.run(&control, count: 400) { [Spaces.damage($0)] }
    let found = try #require(bayesian.front.first).objectives[0]
    let drawn = try #require(control.front.first).objectives[0]
    #expect(found < 0.7 * drawn)
  }

  @Test func aGoodPredictionHelps() throws {
    let space = try budgeted(keep: 70, layers: 12)
    func best(_ prediction: GaussianProcess.Prediction?) throws -> Double {
      var optimizer = try BayesianSearch(space, objectives: 1, seed: 2, prediction: prediction)
      _ = try Spaces.run(&optimizer, count: 32) { [Spaces.damage($0)] }
      return try #require(optimizer.front.first).objectives[0]
    }
    let helped = try best { genome in 3 * Spaces.damage(genome) + 1 + 0.01 * Double(genome[0]) }
    let alone = try best(nil)
    #expect(helped < 0.9 * alone)
  }

  // MARK: - The trust region

  @Test func theRegionGrowsAndShrinks() {
    var region = TrustRegion(dimensions: 8, batch: 4)
    for _ in 0..<3 { region.advance(success: true) }
    #expect(region.side == TrustRegion.largestSide)
    for _ in 0..<6 { region.advance(success: false) }
    #expect(region.side == TrustRegion.initialSide / 2)
    var batches = 0
    while !region.restarted && batches < 100 {
      region.advance(success: false)
      batches += 1
    }
    #expect(region.restarted && region.side == TrustRegion.initialSide)
  }

  @Test func successIsAGainOfTheFront() {
    #expect(TrustRegion.succeeds([[0.9]], over: [[1], [2]]))
    #expect(!TrustRegion.succeeds([[0.9999], [5]], over: [[1], [2]]))
    #expect(TrustRegion.succeeds([[1, 1]], over: [[0, 3], [3, 0]]))
    #expect(!TrustRegion.succeeds([[4, 1], [2, 2]], over: [[0, 3], [3, 0], [2, 2]]))
    #expect(!TrustRegion.succeeds([], over: [[1]]))
    #expect(TrustRegion.succeeds([[1, 2]], over: []))
  }

  // MARK: - Quasi-random points

  @Test func quasiRandomPointsFillTheCube() {
    for dimensions in [1, 8, 60] {
      let sequence = QuasiRandom(dimensions: dimensions, seed: 4)
      let points = sequence.points(0..<256)
      #expect(points.count == 256 && points.allSatisfy { $0.count == dimensions })
      #expect(sequence.points(100..<103) == Array(points[100..<103]))
      for dimension in 0..<min(dimensions, 8) {
        let eighths = Dictionary(grouping: points) { Int($0[dimension] * 8) }
        #expect((0..<8).allSatisfy { (20...44).contains(eighths[$0]?.count ?? 0) })
      }
      #expect(QuasiRandom(dimensions: dimensions, seed: 5).points(0..<256) != points)
    }
  }
}
