import LinearAlgebra
import Testing

@testable import Search

@Suite struct BudgetTests {
  @Test func fitsRandomSpacesExactly() throws {
    for trial in 0..<400 as Range<UInt64> {
      var generator = SeededGenerator(seed: 11, stream: trial)
      let (design, cost) = try Spaces.random(using: &generator)
      let space = try BudgetedSpace(design, cost: cost)
      for _ in 0..<8 {
        let start = design.variables.map { _ in generator.integer(in: -20...150) }
        let target = generator.integer(in: space.reachable)
        let fitted = try space.fit(start, to: target, using: &generator)
        try design.validate(fitted)
        let spent = cost.cost(fitted)
        #expect(spent <= target)
        for (index, variable) in design.variables.enumerated() {
          if cost.weights[index] == 0 {
            #expect(fitted[index] == variable.nearest(to: start[index]))
          } else if fitted[index] < variable.highest {
            #expect(spent + variable.step * cost.weights[index] > target)
          }
        }
      }
    }
  }

  /// A genome that costs a little less than the minimum, with no step exactly to it, is raised by at most one step.
  @Test func passesTheMinimumByAsLittleAsItCan() throws {
    let (design, cost) = try Spaces.layers(30)
    let full = cost.cost(design.highest)
    var generator = SeededGenerator(seed: 7)
    for _ in 0..<50 {
      let minimum = full / 2 + generator.integer(below: full / 3)
      let space = try BudgetedSpace(design, cost: cost, budget: Budget(maximum: full, minimum: minimum))
      let start = try BudgetedSpace(design, cost: cost).fit(design.highest, to: minimum - 1, using: &generator)
      #expect(cost.cost(start) < minimum)
      let fitted = try space.fit(start, to: cost.cost(start), using: &generator)
      #expect((minimum..<minimum + 294_912).contains(cost.cost(fitted)))
    }
  }

  @Test func leavesWhatFitsAlone() throws {
    let (design, cost) = try Spaces.layers(30)
    let space = try BudgetedSpace(design, cost: cost)
    var generator = SeededGenerator(seed: 3)
    let start = space.randomGenome(using: &generator)
    #expect(try space.fit(start, to: cost.cost(start), using: &generator) == start)
    #expect(throws: SearchError.wrongGenomeLength(expected: 61, found: 2)) {
      try space.fit([1, 2], using: &generator)
    }
  }

  /// The step costs 294 912 and 55 296 have the common divisor 18 432, so no target can be missed by less in general.
  @Test func exchangesCloseTheGap() throws {
    let (design, cost) = try Spaces.layers(30)
    let full = cost.cost(design.highest)
    for seed in 0..<50 as Range<UInt64> {
      var generator = SeededGenerator(seed: seed)
      let target = full / 2 + generator.integer(below: full / 3)
      let space = try BudgetedSpace(design, cost: cost, budget: Budget(maximum: target, useWholeBudget: true))
      let fitted = try space.fit(design.highest, using: &generator)
      #expect(target - cost.cost(fitted) < 18_432)
      #expect(space.isAcceptable(fitted))
    }
  }

  @Test func isDeterministicAndKeepsProportions() throws {
    let (design, cost) = try Spaces.layers(30)
    let budget = Budget(maximum: cost.cost(design.highest) * 8 / 10, useWholeBudget: true)
    let space = try BudgetedSpace(design, cost: cost, budget: budget)
    var one = SeededGenerator(seed: 5)
    var two = SeededGenerator(seed: 5)
    let fitted = try space.fit(design.highest, using: &one)
    #expect(try space.fit(design.highest, using: &two) == fitted)
    // Both modules give up about a fifth of their widths.
    let groups = stride(from: 0, to: 60, by: 2).reduce(0) { $0 + fitted[$1] }
    let channels = stride(from: 1, to: 60, by: 2).reduce(0) { $0 + fitted[$1] }
    #expect((62...82).contains(groups))
    #expect((35_000...39_000).contains(channels))
  }

  @Test func wideRangesAreFittedInFewSteps() throws {
    let variables = try (0..<3).map {
      try Variable(name: "v\($0)", domain: .integer(low: 0, high: 1_000_000_000, step: 1))
    }
    let design = try DesignSpace(variables)
    let space = try BudgetedSpace(design, cost: LinearCost(base: 0, weights: [2, 3, 5]))
    var generator = SeededGenerator(seed: 1)
    let fitted = try space.fit(design.highest, to: 1_234_567_891, using: &generator)
    #expect(space.cost.cost(fitted) == 1_234_567_891)
  }

  @Test func impossibleBudgetsSayWhatIsPossible() throws {
    let (design, cost) = try Spaces.layers(2)
    let (low, high) = (cost.cost(design.lowest), cost.cost(design.highest))
    #expect(throws: SearchError.infeasibleBudget(minimum: nil, maximum: low - 1, lowest: low, highest: high)) {
      try BudgetedSpace(design, cost: cost, budget: Budget(maximum: low - 1))
    }
    #expect(throws: SearchError.infeasibleBudget(minimum: high + 1, maximum: nil, lowest: low, highest: high)) {
      try BudgetedSpace(design, cost: cost, budget: Budget(minimum: high + 1))
    }
    #expect(throws: SearchError.invalidBudget(reason: "the minimum 5 is above the maximum 4")) {
      try BudgetedSpace(design, cost: cost, budget: Budget(maximum: 4, minimum: 5))
    }
    #expect(throws: SearchError.self) {
      try BudgetedSpace(design, cost: cost, budget: Budget(useWholeBudget: true))
    }
    // Between two neighbouring costs lies nothing.
    #expect(throws: SearchError.self) {
      try BudgetedSpace(design, cost: cost, budget: Budget(maximum: low + 18_431, minimum: low + 1))
    }
    let error = SearchError.infeasibleBudget(minimum: nil, maximum: 7, lowest: 10, highest: 20)
    #expect("\(error)" == "no candidate costs at most 7: the space reaches from 10 to 20")
  }

  @Test func narrowBandsAreAlwaysMet() throws {
    for trial in 0..<200 as Range<UInt64> {
      var generator = SeededGenerator(seed: 21, stream: trial)
      let (design, cost) = try Spaces.random(using: &generator)
      let whole = try BudgetedSpace(design, cost: cost)
      let known = cost.cost(whole.randomGenome(using: &generator))
      let budget = Budget(maximum: known + 2, minimum: known - 2)
      guard let band = try? BudgetedSpace(design, cost: cost, budget: budget) else { continue }
      for _ in 0..<20 {
        let fitted = try band.fit(whole.randomGenome(using: &generator), to: known, using: &generator)
        #expect(band.allowed.contains(cost.cost(fitted)))
      }
    }
  }
}
