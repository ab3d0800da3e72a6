import Foundation
import LinearAlgebra
import Testing

@testable import Search

@Suite struct TreeParzenSearchTests {
  private func budgeted(keep: Int) throws -> BudgetedSpace {
    let (design, cost) = try Spaces.layers(6)
    let maximum = cost.cost(design.highest) * keep / 100
    return try BudgetedSpace(design, cost: cost, budget: Budget(maximum: maximum, useWholeBudget: true))
  }

  private func small() throws -> BudgetedSpace {
    let design = try DesignSpace([
      Variable(name: "a", domain: .integer(low: 0, high: 6, step: 2)),
      Variable(name: "b", domain: .integer(low: 1, high: 5, step: 1)),
      Variable(name: "c", domain: .categorical(["x", "y", "z"])),
    ])
    return try BudgetedSpace(design, cost: LinearCost(base: 0, weights: [3, 5, 0]))
  }

  // MARK: - Densities

  @Test func densitiesSumToOne() throws {
    let space = try small().space
    let estimator = ParzenEstimator([[0, 1, 0], [6, 4, 2], [2, 4, 2]], space: space, bandwidth: 0.2)
    var (sum, peak) = (0.0, -Double.infinity)
    for a in stride(from: 0, through: 6, by: 2) {
      for b in 1...5 {
        for c in 0..<3 {
          let value = estimator.logDensity([a, b, c])
          sum += exp(value)
          peak = max(peak, value)
        }
      }
    }
    #expect(abs(sum - 1) < 1e-9)
    // An observation in a corner has the largest part of its component on itself.
    #expect(estimator.logDensity([0, 1, 0]) == peak)
    #expect(estimator.logDensity([4, 4, 2]) > estimator.logDensity([4, 4, 1]))
  }

  @Test func samplesFollowTheDensity() throws {
    let space = try small().space
    let estimator = ParzenEstimator([[0, 1, 0], [6, 4, 2], [2, 4, 2]], space: space, bandwidth: 0.2)
    var generator = SeededGenerator(seed: 8)
    var counts: [Genome: Int] = [:]
    for _ in 0..<20_000 { counts[estimator.sample(using: &generator), default: 0] += 1 }
    for (genome, count) in counts {
      try space.validate(genome)
      #expect(abs(Double(count) / 20_000 - exp(estimator.logDensity(genome))) < 0.012)
    }
  }

  @Test func goodPointsAreTheBestRanks() {
    let points = [[0.0, 4], [1, 1], [4, 0], [2, 2], [0.1, 3.9], [5, 5]]
    #expect(Set(TreeParzenSearch.best(points, count: 5)) == [0, 1, 2, 4, 3])
    // The knee adds most; next to it an end.
    #expect(TreeParzenSearch.best(points, count: 1) == [1])
    #expect(TreeParzenSearch.best([[3], [1], [2]], count: 2) == [1, 2])
  }

  // MARK: - Searching

  @Test func everyCandidateUsesTheWholeBudget() throws {
    let space = try budgeted(keep: 75)
    var parzen = try TreeParzenSearch(space, objectives: 1, seed: 9)
    var even = try QuasiRandomSearch(space, objectives: 1, seed: 9)
    for asked in [
      try Spaces.run(&parzen, count: 150, { [Spaces.damage($0)] }),
      try Spaces.run(&even, count: 150, { [Spaces.damage($0)] }),
    ] {
      #expect(Set(asked.map(\.genome)).count == 150)
      #expect(asked.allSatisfy { space.isAcceptable($0.genome) })
    }
  }

  @Test func storedCandidatesAreAdopted() throws {
    let space = try budgeted(keep: 80)
    var original = try TreeParzenSearch(space, objectives: 2, seed: 3)
    func objectives(_ genome: Genome) -> [Double] { [Spaces.damage(genome), Double(genome[1])] }
    let asked = try Spaces.run(&original, count: 60, objectives)
    var resumed = try TreeParzenSearch(space, objectives: 2, seed: 3)
    for candidate in asked.prefix(37) {
      #expect(try resumed.adopt(candidate))
      try resumed.tell(candidate.ordinal, objectives: objectives(candidate.genome))
    }
    #expect(try Spaces.run(&resumed, count: 23, objectives) == Array(asked.dropFirst(37)))
    var even = try QuasiRandomSearch(space, objectives: 1, seed: 3)
    var again = try QuasiRandomSearch(space, objectives: 1, seed: 3)
    for candidate in try even.askBatch(limit: 100) { #expect(try again.adopt(candidate)) }
  }

  @Test func smallSpacesAreExhausted() throws {
    var parzen = try TreeParzenSearch(small(), objectives: 1, seed: 3)
    #expect(try Spaces.run(&parzen, count: 1000) { [Double($0[0])] }.count == 60)
    #expect(try parzen.ask() == nil)
    var even = try QuasiRandomSearch(small(), objectives: 1, seed: 3)
    #expect(try even.askBatch(limit: 1000).count == 60)
    var failing = try TreeParzenSearch(budgeted(keep: 80), objectives: 1, seed: 5)
    for _ in 0..<40 {
      let candidate = try #require(try failing.ask())
      try failing.tellFailure(candidate.ordinal)
    }
    #expect(failing.failures == 40)
  }

  @Test func beatsRandomSearchOnZDT1() throws {
    let space = try Spaces.zdt1Space(variables: 10, levels: 64)
    for seed in 1...3 as ClosedRange<UInt64> {
      var parzen = try TreeParzenSearch(space, objectives: 2, seed: seed)
      var control = try RandomSearch(space, objectives: 2, seed: seed)
      _ = try Spaces.run(&parzen, count: 250) { Spaces.zdt1($0, levels: 64) }
      _ = try Spaces.run(&control, count: 250) { Spaces.zdt1($0, levels: 64) }
      let reference = [1.1, 6.0]
      let found = try ParetoFront.hypervolume(parzen.front.map(\.objectives), reference: reference)
      let drawn = try ParetoFront.hypervolume(control.front.map(\.objectives), reference: reference)
      #expect(found > drawn + 0.8)
    }
  }

  @Test func senselessSettingsAreRefused() throws {
    let space = try budgeted(keep: 80)
    var settings = TreeParzenSearch.Settings()
    settings.goodShare = .nan
    #expect(throws: SearchError.self) { try TreeParzenSearch(space, objectives: 1, seed: 0, settings: settings) }
    settings = TreeParzenSearch.Settings()
    settings.batch = 0
    #expect(throws: SearchError.self) { try TreeParzenSearch(space, objectives: 1, seed: 0, settings: settings) }
    #expect(throws: SearchError.self) { try TreeParzenSearch(space, objectives: 4, seed: 0) }
  }

  // MARK: - The automatic choice

  @Test func theChoiceFollowsTheTimes() {
    func choice(_ dimensions: Int, _ evaluations: Int, _ seconds: Double) -> AutomaticChoice {
      AutomaticChoice.choose(dimensions: dimensions, evaluations: evaluations, secondsPerEvaluation: seconds).optimizer
    }
    #expect(choice(60, 200, 10) == .bayesian)
    #expect(choice(60, 200, 0.01) == .evolution)
    #expect(choice(60, 5000, 100) == .evolution)
    #expect(choice(60, 8, 10) == .evolution)
    #expect(choice(0, 8, 10) == .random)
  }
}
