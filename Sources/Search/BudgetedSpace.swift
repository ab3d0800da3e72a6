import LinearAlgebra

/// A design space with the cost of its genomes and the budget they must meet.
///
/// A genome outside the budget is never thrown away: `fit` moves it inside, width by width.
public struct BudgetedSpace: Sendable {
  public let space: DesignSpace
  public let cost: any CostTable
  public let budget: Budget
  /// The costs of the cheapest and the dearest genome, without regard to the budget.
  public let reachable: ClosedRange<Int>
  /// The part of `reachable` that the budget allows. Genomes that `fit` returns have costs in it.
  public let allowed: ClosedRange<Int>

  /// Cost of one step of each variable, the mean one if its steps differ; 0 if the value costs nothing.
  let stepCosts: [Int]
  /// Variables whose steps differ in cost.
  private let uneven: [Bool]
  /// The variables that share a step cost, the cheapest first.
  let kinds: [Kind]
  /// A genome inside the budget, for bands that are so narrow that `fit` misses them.
  private var witness: Genome

  struct Kind: Sendable {
    let stepCost: Int
    let variables: [Int]
  }

  /// - Throws: `SearchError.invalidCost`, `SearchError.invalidBudget`, or `SearchError.infeasibleBudget` if no
  ///   genome was found inside the budget.
  public init(
    _ space: DesignSpace, cost: some CostTable, budget: Budget = Budget()
  ) throws(SearchError) {
    try cost.validate(for: space)
    if let low = budget.minimum, let high = budget.maximum, low > high {
      throw .invalidBudget(reason: "the minimum \(low) is above the maximum \(high)")
    }
    if budget.useWholeBudget && budget.maximum == nil {
      throw .invalidBudget(reason: "the whole budget cannot be used without a maximum")
    }
    self.space = space
    self.cost = cost
    self.budget = budget
    reachable = cost.cost(space.lowest)...cost.cost(space.highest)
    let low = max(budget.minimum ?? reachable.lowerBound, reachable.lowerBound)
    let high = min(budget.maximum ?? reachable.upperBound, reachable.upperBound)
    let infeasible = SearchError.infeasibleBudget(
      minimum: budget.minimum, maximum: budget.maximum,
      lowest: reachable.lowerBound, highest: reachable.upperBound)
    if low > high { throw infeasible }
    allowed = low...high
    var uneven = space.variables.map { _ in false }
    stepCosts = space.variables.enumerated().map { index, variable in
      if variable.isCategorical || variable.levels < 2 { return 0 }
      if let unit = cost.unitCost(of: index) { return variable.step * unit }
      uneven[index] = true
      let span = cost.cost(of: index, at: variable.highest) - cost.cost(of: index, at: variable.lowest)
      return max(1, span / (variable.levels - 1))
    }
    self.uneven = uneven
    let grouped = Dictionary(grouping: stepCosts.indices.filter { [stepCosts] in stepCosts[$0] > 0 && !uneven[$0] }) {
      [stepCosts] in stepCosts[$0]
    }
    kinds = grouped.map { Kind(stepCost: $0.key, variables: $0.value) }.sorted { $0.stepCost < $1.stepCost }
    witness = space.lowest

    // A band narrower than the widths' steps may hold no cost at all. Several starts are tried before that is
    // concluded.
    if cost.cost(witness) >= low { return }
    for attempt in 0..<32 {
      var generator = SeededGenerator(seed: 0, stream: UInt64(attempt))
      let start = attempt == 0 ? space.lowest : attempt == 1 ? space.highest : randomGenome(using: &generator)
      let found = filled(start, to: high, using: &generator)
      if cost.cost(found) >= low {
        witness = found
        return
      }
    }
    throw infeasible
  }

  /// The genome moved to cost as nearly `target` as its steps allow, and never more.
  ///
  /// Values outside their domains are first moved to the nearest allowed one. Then widths go down one step at a time
  /// until the cost is at most the target, and up again until no step fits any more. Exchanges narrow the remaining gap
  /// (some steps of one size down, some of another size up). The variable that moves is drawn in proportion to its
  /// remaining steps, so that on average every width gives up, or wins back, the same share of them. Variables without
  /// cost stay as they are.
  ///
  /// - Parameters:
  ///   - target: cost to reach; one outside `allowed` is replaced by the nearer end. `nil` stands for the largest
  ///     allowed cost.
  ///   - generator: the only source of the choice of widths that move.
  /// - Returns: a valid genome whose cost is in `allowed`.
  /// - Throws: `SearchError.wrongGenomeLength`.
  public func fit(
    _ genome: Genome, to target: Int? = nil, using generator: inout SeededGenerator
  ) throws(SearchError) -> Genome {
    try space.checkLength(of: genome)
    return fitted(genome, to: target ?? allowed.upperBound, using: &generator)
  }

  /// `fit` for a genome of the right length.
  func fitted(_ genome: Genome, to target: Int, using generator: inout SeededGenerator) -> Genome {
    let snapped = space.canonical(zip(space.variables, genome).map { $0.nearest(to: $1) })
    let goal = min(max(target, allowed.lowerBound), allowed.upperBound)
    var result = filled(snapped, to: goal, using: &generator)
    // If steps cannot reach the target from below, the cost passes it by as little as possible.
    for kind in [kinds.first, kinds.last] where cost.cost(result) < allowed.lowerBound {
      let end = min(allowed.lowerBound + (kind?.stepCost ?? 1) - 1, allowed.upperBound)
      if end > goal { result = filled(result, to: end, using: &generator) }
    }
    if cost.cost(result) < allowed.lowerBound {
      for index in result.indices where stepCosts[index] > 0 { result[index] = witness[index] }
    }
    return result
  }

  /// Whether a genome has inactive variables at their lowest values, lies inside the budget and, if the whole budget is
  /// to be used, has no step up that fits.
  public func isAcceptable(_ genome: Genome) -> Bool {
    let spent = cost.cost(genome)
    if !allowed.contains(spent) || space.canonical(genome) != genome { return false }
    if !budget.useWholeBudget { return true }
    return genome.indices.allSatisfy {
      stepCosts[$0] == 0 || genome[$0] == space.variables[$0].highest || isFull(genome, $0, spent)
    }
  }

  /// True if a step up of a variable does not fit, or costs nothing.
  private func isFull(_ genome: Genome, _ index: Int, _ spent: Int) -> Bool {
    let price = price(of: 1, up: index, genome)
    return price == 0 || spent + price > allowed.upperBound
  }

  /// The change of the cost by a number of steps of a variable, negative for steps down.
  private func price(of steps: Int, up index: Int, _ genome: Genome) -> Int {
    guard uneven[index] else { return steps * stepCosts[index] }
    let value = genome[index]
    return cost.cost(of: index, at: value + steps * space.variables[index].step) - cost.cost(of: index, at: value)
  }

  /// Every value drawn uniformly, without regard to the budget.
  func randomGenome(using generator: inout SeededGenerator) -> Genome {
    space.variables.map { $0.random(using: &generator) }
  }

  /// A random genome fitted to the cost of a new candidate.
  func randomCandidate(using generator: inout SeededGenerator) -> Genome {
    let target = drawTarget(using: &generator)
    return fitted(randomGenome(using: &generator), to: target, using: &generator)
  }

  /// The cost at which a new candidate aims: the maximum if the whole budget is used, else uniform in `allowed`.
  func drawTarget(using generator: inout SeededGenerator) -> Int {
    budget.useWholeBudget ? allowed.upperBound : generator.integer(in: allowed)
  }

  // MARK: - Steps

  private func filled(_ genome: Genome, to target: Int, using generator: inout SeededGenerator) -> Genome {
    var result = genome
    var spent = cost.cost(result)
    while spent > target {
      let weights = result.indices.map { stepCosts[$0] > 0 ? stepsDown(result, $0) : 0 }
      guard let index = generator.index(weights: weights) else { break }
      let steps = uneven[index] ? 1 : min(weights[index], stride(over: spent - target, stepCosts[index]))
      spent += price(of: -steps, up: index, result)
      result[index] -= steps * space.variables[index].step
    }
    // Every exchange raises the cost, so this ends; the limit only bounds the time spent on the last few units.
    for _ in 0..<16 {
      fill(&result, &spent, to: target, using: &generator)
      if spent == target || !exchange(&result, &spent, to: target, using: &generator) { break }
    }
    fill(&result, &spent, to: target, using: &generator)
    return result
  }

  /// Moves up while any step fits.
  private func fill(
    _ genome: inout Genome, _ spent: inout Int, to target: Int, using generator: inout SeededGenerator
  ) {
    while spent < target {
      let gap = target - spent
      let weights = genome.indices.map { index in
        guard stepCosts[index] > 0, uneven[index] || stepCosts[index] <= gap else { return 0 }
        let steps = stepsUp(genome, index)
        return steps == 0 || uneven[index] && price(of: 1, up: index, genome) > gap ? 0 : steps
      }
      guard let index = generator.index(weights: weights) else { return }
      let steps = uneven[index] ? 1 : min(weights[index], stride(over: gap, stepCosts[index]))
      spent += price(of: steps, up: index, genome)
      genome[index] += steps * space.variables[index].step
    }
  }

  /// Number of steps to move at once: one, unless eight moves of each variable would not cover the way.
  private func stride(over distance: Int, _ stepCost: Int) -> Int {
    max(1, distance / stepCost / (8 * max(1, stepCosts.count)))
  }

  /// Lowers up to 16 steps of one size and raises some of another size so that the cost comes nearest to the target.
  ///
  /// - Returns: `true` if an exchange raised the cost.
  private func exchange(
    _ genome: inout Genome, _ spent: inout Int, to target: Int, using generator: inout SeededGenerator
  ) -> Bool {
    let gap = target - spent
    var best = (gain: 0, down: 0, downSteps: 0, up: 0, upSteps: 0)
    for (down, downKind) in kinds.enumerated() {
      let downLimit = min(16, room(downKind, genome, stepsDown))
      for (up, upKind) in kinds.enumerated() where up != down {
        let upLimit = room(upKind, genome, stepsUp)
        if upLimit == 0 { continue }
        for taken in 0..<downLimit {
          let downSteps = taken + 1
          let upSteps = min(upLimit, (gap + downSteps * downKind.stepCost) / upKind.stepCost)
          let gain = upSteps * upKind.stepCost - downSteps * downKind.stepCost
          if gain > best.gain { best = (gain, down, downSteps, up, upSteps) }
        }
      }
    }
    if best.gain == 0 { return false }
    move(&genome, kinds[best.down], by: best.downSteps, sign: -1, room: stepsDown, using: &generator)
    move(&genome, kinds[best.up], by: best.upSteps, sign: 1, room: stepsUp, using: &generator)
    spent += best.gain
    return true
  }

  private func move(
    _ genome: inout Genome, _ kind: Kind, by steps: Int, sign: Int, room: (Genome, Int) -> Int,
    using generator: inout SeededGenerator
  ) {
    for _ in 0..<steps {
      guard let member = generator.index(weights: kind.variables.map { room(genome, $0) }) else { return }
      let index = kind.variables[member]
      genome[index] += sign * space.variables[index].step
    }
  }

  private func room(_ kind: Kind, _ genome: Genome, _ steps: (Genome, Int) -> Int) -> Int {
    kind.variables.reduce(0) { $0 + steps(genome, $1) }
  }

  /// Number of steps between a variable's lowest value and its value.
  func stepsDown(_ genome: Genome, _ index: Int) -> Int {
    (genome[index] - space.variables[index].lowest) / space.variables[index].step
  }

  /// Number of steps between a variable's value and its highest.
  func stepsUp(_ genome: Genome, _ index: Int) -> Int {
    (space.variables[index].highest - genome[index]) / space.variables[index].step
  }
}
