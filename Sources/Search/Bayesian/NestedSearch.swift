import LinearAlgebra

/// Bayesian search over the few genes that concern the whole network, evolution over the widths inside.
///
/// A gene is global if no width of the budget depends on it: score, calibration set, number of samples, damping.
/// Generation 0 is the given genomes, filled up with mutations of them. In every later generation half of the children
/// keep the global genes of the best candidate so far. A quarter try new settings, two children each: those for which a
/// Gaussian process over the best results of all settings expects most improvement. A quarter try settings again that
/// were behind, the nearer the likelier, because the widths are better now. Widths are crossed and mutated from the
/// best quarter by the first objective; the first child of a setting has the best widths as they are. A candidate
/// depends only on the seed, its ordinal and the results of earlier generations.
///
/// It searches one size, by the first objective.
public struct NestedSearch: LedgerOptimizer {
  public private(set) var generation = 0

  private let population: Int
  /// The variables of the outer search, and their space.
  private let globals: [Int]
  private let settings: BudgetedSpace
  /// Operators on the widths: the space with every global gene fixed.
  private let variation: Variation
  private let widths: BudgetedSpace
  public var ledger: CandidateLedger
  private var parents: [Genome] = []
  /// The setting of each child of this generation, and whether it is the first of a new setting.
  private var plan: [(setting: [Int], isFirst: Bool)] = []
  private var generationStart = 0
  private var generationEnd: Int

  /// - Parameters:
  ///   - initial: genomes to ask first. Those inside the budget stay exactly as they are, the others are fitted.
  ///   - population: number of candidates in a generation, at least 2.
  /// - Throws: `SearchError.invalidSettings`, also for a space that has no global genes or no widths; `validate`'s
  ///   errors for an initial genome.
  public init(
    _ space: BudgetedSpace, objectives: Int, seed: UInt64, initial: [(genome: Genome, origin: String)] = [],
    population: Int = 16
  ) throws(SearchError) {
    if population < 2 { throw .invalidSettings(reason: "a population of \(population)") }
    let variables = space.space.variables
    globals = variables.indices.filter { space.stepCosts[$0] == 0 && variables[$0].levels > 1 }
    if globals.isEmpty || !space.stepCosts.contains(where: { $0 > 0 }) {
      throw .invalidSettings(reason: "nested search needs widths, and genes for the whole network")
    }
    var outer: [Variable] = []
    var inner: [Variable] = []
    for (index, variable) in variables.enumerated() {
      if !globals.contains(index) {
        inner.append(variable)
        continue
      }
      outer.append(variable)
      inner.append(
        try Variable(
          name: variable.name, domain: .integer(low: 0, high: 0, step: 1), segment: variable.segment,
          module: variable.module))
    }
    let design = try DesignSpace(outer)
    settings = try BudgetedSpace(design, cost: LinearCost.free(design))
    widths = try BudgetedSpace(DesignSpace(inner), cost: space.cost, budget: space.budget)
    variation = Variation(widths, halving: NSGA2.Settings().halving)
    self.population = population
    ledger = try CandidateLedger(space, objectives: objectives, seed: seed, initial: initial)
    generationEnd = max(population, ledger.first.count)
  }

  // MARK: - Generations

  public mutating func advance() throws(SearchError) {
    if ledger.next < generationEnd { return }
    try ledger.requireResults()
    let best = ledger.ranked
    parents = best.prefix(max(2, population / 4)).map(\.candidate.genome)
    generation += 1
    generationStart = generationEnd
    generationEnd += population
    plan = []
    if parents.isEmpty { return }
    // The settings that have a result, the best first.
    var ranked: [[Int]] = []
    for candidate in best where !ranked.contains(setting(of: candidate.candidate.genome)) {
      ranked.append(setting(of: candidate.candidate.genome))
    }
    let new = try newSettings(count: (population + 7) / 8)
    var generator = SeededGenerator(seed: seed, stream: UInt64(generationStart))
    var behind = Array(ranked.dropFirst())
    var again: [[Int]] = []
    while again.count < population / 4 - new.count, !behind.isEmpty {
      // Places 1, 2, … with probabilities in proportion to 1, 1/2, …
      let weights = behind.indices.map { 1_000_000 / ($0 + 1) }
      again.append(behind.remove(at: generator.index(weights: weights) ?? 0))
    }
    let tried = (new + again).flatMap { [(setting: $0, isFirst: true), (setting: $0, isFirst: false)] }
    plan = Array(repeating: (setting: ranked[0], isFirst: false), count: population - tried.count) + tried
  }

  /// Untried settings, the most promising first; fewer if there are no more.
  private func newSettings(count: Int) throws(SearchError) -> [[Int]] {
    var tried: [[Int]] = []
    var values: [[Int]: Double] = [:]
    for candidate in ledger.asked {
      let setting = setting(of: candidate.genome)
      if !tried.contains(setting) { tried.append(setting) }
      guard let value = ledger.results[candidate.ordinal]?[0] else { continue }
      values[setting] = min(value, values[setting] ?? .infinity)
    }
    var options = BayesianSearch.Settings()
    options.batch = count
    options.quasiRandom = 0
    var outer = try BayesianSearch(
      settings, objectives: 1, seed: seed &+ UInt64(generation), initial: tried.map { ($0, "tried") }, settings: options
    )
    for setting in tried {
      guard let candidate = try outer.ask() else { break }
      if let value = values[setting] {
        try outer.tell(candidate.ordinal, objectives: [value])
      } else {
        try outer.tellFailure(candidate.ordinal)
      }
    }
    return try outer.askBatch(limit: count).map(\.genome)
  }

  private func setting(of genome: Genome) -> [Int] { globals.map { genome[$0] } }

  // MARK: - Children

  public func propose(using generator: inout SeededGenerator) -> (genome: Genome, origin: String)? {
    let place = ledger.next - generationStart
    for attempt in 0..<32 {
      guard plan.indices.contains(place), !parents.isEmpty else { return founder(using: &generator) }
      var genome = parents[0]
      var origin = "setting"
      if !plan[place].isFirst || attempt > 0 {
        genome = parents[generator.integer(below: parents.count)]
        if generator.chance(0.5) {
          let second = parents[generator.integer(below: parents.count)]
          genome = variation.crossed(bare(genome), bare(second), using: &generator).genome
          origin = "crossover"
        }
        let mutated = variation.mutated(bare(genome), generation: generation, using: &generator)
        genome = mutated.genome
        if origin == "setting" { origin = mutated.mutation?.rawValue ?? origin }
      }
      for (index, value) in zip(globals, plan[place].setting) { genome[index] = value }
      genome = space.space.canonical(genome)
      if !ledger.genomes.contains(genome) { return (genome, origin) }
    }
    return nil
  }

  /// A mutation of a first genome, for the rest of generation 0.
  private func founder(using generator: inout SeededGenerator) -> (genome: Genome, origin: String)? {
    if ledger.first.isEmpty { return nil }
    for _ in 0..<32 {
      let first = ledger.first[generator.integer(below: ledger.first.count)].genome
      let mutated = variation.mutated(bare(first), generation: 0, using: &generator)
      var genome = mutated.genome
      for index in globals { genome[index] = first[index] }
      if !ledger.genomes.contains(genome) { return (genome, mutated.mutation?.rawValue ?? "founder") }
    }
    return nil
  }

  /// The genome as a genome of `widths`.
  private func bare(_ genome: Genome) -> Genome {
    var bare = genome
    for index in globals { bare[index] = 0 }
    return bare
  }
}
