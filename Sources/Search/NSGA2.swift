import LinearAlgebra

/// Multi-objective evolution: NSGA-II with mutations and crossovers that keep to the budget.
///
/// Generation 0 is the given first genomes, filled up with mutations of them. Every later generation is made from the
/// survivors of all before it: parents by binary tournament, children by crossover and mutation, survivors by
/// non-domination rank and then by crowding distance (elitist, parents and children together). Operators whose children
/// survive are used more often (`OperatorRates`). A candidate depends only on the seed, its ordinal and the results of
/// earlier generations.
///
/// Source: Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE
/// Transactions on Evolutionary Computation 6(2), 2002. The last front is thinned one point at a time with the
/// distances renewed after each, as in Kukkonen and Deb, "Improved pruning of non-dominated solutions based on crowding
/// distance", 2006.
public struct NSGA2: LedgerOptimizer {
  /// The settings of the evolution; the defaults suit a few hundred evaluations.
  public struct Settings: Hashable, Codable, Sendable {
    /// Number of survivors, and of children in a generation.
    public var population = 16
    /// The share of children that have two parents.
    public var crossover = 0.8
    /// The share of these children that are mutated as well.
    public var mutationAfterCrossover = 0.8
    /// Number of generations after which the largest move of a mutation halves.
    public var halving = 24

    public init() {}
  }

  public let settings: Settings
  /// The number of the generation that is being asked.
  public private(set) var generation = 0
  /// The survivors of the generations before this one, by ordinal.
  public var population: [EvaluatedCandidate] { members.map(\.candidate) }

  private let variation: Variation
  public var ledger: CandidateLedger
  private var members: [Member] = []
  private var generationStart = 0
  private var generationEnd: Int
  private var rates = OperatorRates()
  /// The operators that made the candidates of this generation, by ordinal.
  private var lineages: [Int: [Variation.Operator]] = [:]

  private struct Member: Sendable {
    let candidate: EvaluatedCandidate
    let rank: Int
    let crowding: Double
  }

  /// - Parameters:
  ///   - objectives: number of values in a result.
  ///   - initial: genomes to ask first. Those inside the budget stay exactly as they are, even if they leave part of it
  ///     unused, so that a baseline stays a baseline; the others are fitted.
  /// - Throws: `SearchError.invalidSettings`, or `validate`'s errors for an initial genome outside the space.
  public init(
    _ space: BudgetedSpace, objectives: Int, seed: UInt64, initial: [(genome: Genome, origin: String)] = [],
    settings: Settings = Settings()
  ) throws(SearchError) {
    if settings.population < 2 { throw .invalidSettings(reason: "a population of \(settings.population)") }
    for share in [settings.crossover, settings.mutationAfterCrossover] where !(0...1).contains(share) {
      throw .invalidSettings(reason: "the share \(share) is not between 0 and 1")
    }
    if settings.halving < 1 { throw .invalidSettings(reason: "halving every \(settings.halving) generations") }
    self.settings = settings
    variation = Variation(space, halving: settings.halving)
    ledger = try CandidateLedger(space, objectives: objectives, seed: seed, initial: initial)
    generationEnd = max(settings.population, ledger.first.count)
  }

  // MARK: - Ask and tell

  public mutating func advance() throws(SearchError) {
    if ledger.next < generationEnd { return }
    try ledger.requireResults()
    select()
    generation += 1
    generationStart = generationEnd
    generationEnd += settings.population
  }

  public mutating func propose(using generator: inout SeededGenerator) -> (genome: Genome, origin: String)? {
    var (genome, operators) = child(using: &generator)
    // A child that was asked before is mutated until it is new.
    for _ in 0..<16 where ledger.genomes.contains(genome) {
      let mutated = variation.mutated(genome, generation: generation, rates: rates, using: &generator)
      genome = mutated.genome
      operators += [mutated.mutation].compactMap { $0 }
    }
    if ledger.genomes.contains(genome) { return nil }
    lineages[ledger.next] = operators
    return (genome, operators.first?.rawValue ?? "random")
  }

  // MARK: - Children

  /// - Returns: the child, and the operators that made it; none for a random child.
  private func child(using generator: inout SeededGenerator) -> (genome: Genome, operators: [Variation.Operator]) {
    if members.isEmpty { return founder(using: &generator) }
    let first = tournament(using: &generator)
    if !generator.chance(settings.crossover) {
      let child = variation.mutated(first, generation: generation, rates: rates, using: &generator)
      return (child.genome, [child.mutation].compactMap { $0 })
    }
    let (child, crossover) = variation.crossed(first, tournament(using: &generator), rates: rates, using: &generator)
    if !generator.chance(settings.mutationAfterCrossover) { return (child, [crossover]) }
    let mutated = variation.mutated(child, generation: generation, rates: rates, using: &generator)
    return (mutated.genome, [crossover] + [mutated.mutation].compactMap { $0 })
  }

  /// A candidate without parents: one of the first genomes mutated one to four times, or a random one if there are
  /// none.
  private func founder(using generator: inout SeededGenerator) -> (genome: Genome, operators: [Variation.Operator]) {
    if ledger.first.isEmpty { return (space.randomCandidate(using: &generator), []) }
    var genome = ledger.first[generator.integer(below: ledger.first.count)].genome
    var operators: [Variation.Operator] = []
    for _ in 0..<generator.integer(in: 1...4) {
      let mutated = variation.mutated(genome, generation: generation, using: &generator)
      genome = mutated.genome
      operators = [mutated.mutation].compactMap { $0 }
    }
    return (genome, operators)
  }

  /// The better of two members: the lower rank, then the larger crowding distance, then the earlier candidate.
  private func tournament(using generator: inout SeededGenerator) -> Genome {
    let a = members[generator.integer(below: members.count)]
    let b = members[generator.integer(below: members.count)]
    let first = (a.rank, -a.crowding, a.candidate.candidate.ordinal)
    let second = (b.rank, -b.crowding, b.candidate.candidate.ordinal)
    return (first <= second ? a : b).candidate.candidate.genome
  }

  // MARK: - Survival

  /// Keeps the best `population` of the members and the generation just told.
  private mutating func select() {
    let children = ledger.evaluated.filter { $0.candidate.ordinal >= generationStart }
    let all = members.map(\.candidate) + children
    var survivors: [Member] = []
    for (rank, front) in ParetoFront.fronts(all.map(\.objectives)).enumerated() {
      let room = settings.population - survivors.count
      if room == 0 { break }
      let kept = thinned(front.map { all[$0] }, to: room)
      let distances = ParetoFront.crowdingDistances(kept.map(\.objectives))
      survivors += zip(kept, distances).map { Member(candidate: $0, rank: rank, crowding: $1) }
    }
    members = survivors.sorted { $0.candidate.candidate.ordinal < $1.candidate.candidate.ordinal }
    let alive = Set(members.map(\.candidate.candidate.ordinal))
    if generation > 0 {
      rates.learn(
        (generationStart..<generationEnd).compactMap { ordinal in
          lineages[ordinal].map { ($0, alive.contains(ordinal)) }
        })
    }
    lineages = [:]
  }

  /// The front without its most crowded points. They are removed one at a time, the later candidate first.
  private func thinned(_ front: [EvaluatedCandidate], to size: Int) -> [EvaluatedCandidate] {
    var kept = front
    while kept.count > size {
      let distances = ParetoFront.crowdingDistances(kept.map(\.objectives))
      let crowded = kept.indices.min {
        (distances[$0], -kept[$0].candidate.ordinal) < (distances[$1], -kept[$1].candidate.ordinal)
      }
      guard let crowded else { break }
      kept.remove(at: crowded)
    }
    return kept
  }
}
