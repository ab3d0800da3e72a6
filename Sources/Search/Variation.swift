import LinearAlgebra

/// The operators that make a new genome from old ones. Every one returns a genome inside the budget.
struct Variation: Sendable {
  let space: BudgetedSpace
  /// Number of generations after which the largest move halves.
  let halving: Int

  private let costly: [Int]
  private let free: [Int]
  private let choices: [Int]
  /// The variables of each segment, in the order of the segments. If there is only one segment, each variable is one of
  /// its own.
  private let segments: [[Int]]

  init(_ space: BudgetedSpace, halving: Int) {
    self.space = space
    self.halving = halving
    let variables = space.space.variables
    let movable = variables.indices.filter { variables[$0].levels > 1 }
    choices = movable.filter { variables[$0].isCategorical }
    costly = movable.filter { space.stepCosts[$0] > 0 }
    free = movable.filter { !variables[$0].isCategorical && space.stepCosts[$0] == 0 }
    let grouped = Dictionary(grouping: variables.indices) { variables[$0].segment }
      .sorted { $0.key < $1.key }.map(\.value)
    segments = grouped.count > 1 ? grouped : variables.indices.map { [$0] }
  }

  // MARK: - Mutation

  enum Operator: String, CaseIterable, Sendable {
    // Mutations.
    case shift, resize, nudge, redraw, swap
    // Crossovers.
    case segments = "crossover"
    case genes = "uniform-crossover"
  }

  /// One mutation, drawn among those for which the space has variables.
  ///
  /// - Returns: the child and the mutation. The child equals the parent if nothing in the space can move.
  func mutated(
    _ parent: Genome, generation: Int, rates: OperatorRates = OperatorRates(), using generator: inout SeededGenerator
  ) -> (genome: Genome, mutation: Operator?) {
    let spanning = !space.budget.useWholeBudget && space.allowed.count > 1
    let offers: [(Operator, Int)] = [
      (.shift, costly.count > 1 ? 6 : 0), (.resize, spanning && !costly.isEmpty ? 2 : 0),
      (.nudge, free.isEmpty ? 0 : 4), (.redraw, free.isEmpty ? 0 : 2), (.swap, choices.isEmpty ? 0 : 2),
    ]
    guard let offer = generator.index(weights: offers.map { rates.weight($0, share: $1) }) else { return (parent, nil) }
    let mutation = offers[offer].0
    var target = space.budget.useWholeBudget ? space.allowed.upperBound : space.cost.cost(parent)
    var child = parent
    switch mutation {
    case .shift: shift(&child, generation: generation, using: &generator)
    case .resize: target = space.drawTarget(using: &generator)
    case .nudge: nudge(&child, generation: generation, using: &generator)
    case .redraw: redraw(&child, using: &generator)
    default: swap(&child, using: &generator)
    }
    return (space.fitted(child, to: target, using: &generator), mutation)
  }

  /// Moves width from one variable to another, one to three times: some steps down in one, steps of about the same cost
  /// up in the other.
  private func shift(_ genome: inout Genome, generation: Int, using generator: inout SeededGenerator) {
    for _ in 0..<repetitions(using: &generator) {
      let givers = costly.filter { space.stepsDown(genome, $0) > 0 }
      guard let giver = pick(givers, using: &generator) else { return }
      let takers = costly.filter { $0 != giver && space.stepsUp(genome, $0) > 0 }
      guard let taker = pick(takers, using: &generator) else { return }
      let (given, taken) = (space.stepCosts[giver], space.stepCosts[taker])
      // Enough steps to pay for at least one step of the taker, if the giver has them.
      let drawn = generator.magnitude(upTo: reach(of: giver, generation))
      let down = min(max(drawn, (taken + given - 1) / given), space.stepsDown(genome, giver))
      let up = min(max(1, (down * given + taken / 2) / taken), space.stepsUp(genome, taker))
      genome[giver] -= down * space.space.variables[giver].step
      genome[taker] += up * space.space.variables[taker].step
    }
  }

  /// Moves one to three integers that cost nothing some steps up or down.
  private func nudge(_ genome: inout Genome, generation: Int, using generator: inout SeededGenerator) {
    for _ in 0..<repetitions(using: &generator) {
      guard let index = pick(free, using: &generator) else { return }
      let steps = generator.magnitude(upTo: reach(of: index, generation))
      let (down, up) = (space.stepsDown(genome, index), space.stepsUp(genome, index))
      let upwards = down == 0 || up > 0 && generator.chance(0.5)
      genome[index] += (upwards ? min(steps, up) : -min(steps, down)) * space.space.variables[index].step
    }
  }

  /// Draws new values for one to three integers that cost nothing.
  private func redraw(_ genome: inout Genome, using generator: inout SeededGenerator) {
    for _ in 0..<repetitions(using: &generator) {
      guard let index = pick(free, using: &generator) else { return }
      genome[index] = space.space.variables[index].random(using: &generator)
    }
  }

  /// Takes another choice for one categorical variable.
  private func swap(_ genome: inout Genome, using generator: inout SeededGenerator) {
    let active = choices.filter { space.space.isActive($0, in: genome) }
    guard let index = pick(active, using: &generator) else { return }
    let levels = space.space.variables[index].levels
    genome[index] = (genome[index] + 1 + generator.integer(below: levels - 1)) % levels
  }

  /// Largest number of steps by which a mutation moves a variable: a quarter of its range at first, halved every
  /// `halving` generations, at least one.
  private func reach(of index: Int, _ generation: Int) -> Int {
    let quarter = (space.space.variables[index].levels - 1) / 4
    return max(1, quarter >> min(generation / max(1, halving), Int.bitWidth - 1))
  }

  private func repetitions(using generator: inout SeededGenerator) -> Int {
    generator.chance(0.5) ? 1 : generator.chance(0.5) ? 2 : 3
  }

  private func pick(_ indices: [Int], using generator: inout SeededGenerator) -> Int? {
    indices.isEmpty ? nil : indices[generator.integer(below: indices.count)]
  }

  // MARK: - Crossover

  /// The first parent with genes from the second, fitted to a cost between the two: a contiguous run of segments, or
  /// each gene with probability ½.
  func crossed(
    _ first: Genome, _ second: Genome, rates: OperatorRates = OperatorRates(), using generator: inout SeededGenerator
  ) -> (genome: Genome, crossover: Operator) {
    var child = first
    let offers: [(Operator, Int)] = [(.segments, 1), (.genes, 2)]
    let place = generator.index(weights: offers.map { rates.weight($0, share: $1) }) ?? 0
    let crossover = offers[place].0
    if crossover == .genes {
      for index in child.indices where generator.chance(0.5) { child[index] = second[index] }
    } else if segments.count > 1 {
      let length = generator.integer(in: 1...segments.count - 1)
      let start = generator.integer(in: 0...segments.count - length)
      for index in segments[start..<start + length].joined() { child[index] = second[index] }
    }
    let (a, b) = (space.cost.cost(first), space.cost.cost(second))
    let target = space.budget.useWholeBudget ? space.allowed.upperBound : generator.integer(in: min(a, b)...max(a, b))
    return (space.fitted(child, to: target, using: &generator), crossover)
  }
}
