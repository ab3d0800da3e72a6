import LinearAlgebra

/// Finds genomes that have not been asked before, if no operator found one.
enum FreshGenomes {
  /// Spaces up to this size are searched completely before they count as exhausted. Larger ones count as exhausted if a
  /// thousand random genomes in a row were all known.
  static let walkableSize = 1 << 16
  private static let randomTries = 1000

  /// A random genome inside the budget that is not `known`; `nil` if none is left.
  static func random(
    in space: BudgetedSpace, except known: Set<Genome>, using generator: inout SeededGenerator
  ) -> Genome? {
    let size = space.space.size ?? .max
    let tries = size <= walkableSize ? 32 : randomTries
    for _ in 0..<tries {
      let genome = space.randomCandidate(using: &generator)
      if !known.contains(genome) { return genome }
    }
    return size <= walkableSize ? walk(space, size: size, except: known, using: &generator) : nil
  }

  /// The first acceptable unknown genome on a walk through the whole space from a random start.
  private static func walk(
    _ space: BudgetedSpace, size: Int, except known: Set<Genome>, using generator: inout SeededGenerator
  ) -> Genome? {
    let start = generator.integer(below: size)
    for offset in 0..<size {
      var rest = (start + offset) % size
      let genome = space.space.variables.map { variable in
        let level = rest % variable.levels
        rest /= variable.levels
        return variable.lowest + level * variable.step
      }
      if !known.contains(genome) && space.isAcceptable(genome) { return genome }
    }
    return nil
  }

  /// Prepares first genomes. Those that the budget allows stay exactly as they are: a uniform baseline stays uniform,
  /// even if it leaves a little of the budget unused. The others are fitted. A genome that is listed twice counts once.
  static func admitted(
    _ initial: [(genome: Genome, origin: String)], in space: BudgetedSpace, seed: UInt64
  ) throws(SearchError) -> [(genome: Genome, origin: String)] {
    var known = Set<Genome>()
    var admitted: [(genome: Genome, origin: String)] = []
    for (ordinal, first) in initial.enumerated() {
      try space.space.validate(first.genome)
      var genome = first.genome
      if !space.allowed.contains(space.cost.cost(genome)) {
        var generator = SeededGenerator(seed: seed, stream: UInt64(ordinal))
        let spent = space.cost.cost(genome)
        genome = space.fitted(genome, to: space.budget.useWholeBudget ? .max : spent, using: &generator)
      }
      if known.insert(genome).inserted { admitted.append((genome, first.origin)) }
    }
    return admitted
  }
}
