import LinearAlgebra

/// The evolution of Search for Efficient LLMs (arXiv 2409.17372, section 3.3 and table 10) over the genes of this
/// space: the baseline for our optimisers.
///
/// Generation 0 is the first genome and mutations of it, each gene redrawn from its grid with probability 0.3. Later
/// generations have 50 % mutations of parents (probability 0.1 for each gene), 30 % crossovers of two parents (each
/// gene from either) and 20 % mutations with the initial probability. Parents are the best tenth of all so far by the
/// first objective. The paper discards candidates that miss the target size; here they are drawn again, at most 1000
/// times, and then moved into the budget. The search has one size: the target is a window of 2 % below the largest
/// allowed cost. The paper also mutates masks and depth, which are not genes here.
public struct SearchLLMEvolution: LedgerOptimizer {
  public private(set) var generation = 0

  private let population: Int
  private let parentCount: Int
  public var ledger: CandidateLedger
  private var parents: [Genome] = []
  private var generationStart = 0

  private static let initialProbability = 0.3
  private static let probability = 0.1
  private static let tries = 1000

  /// - Parameters:
  ///   - initial: first genome; the paper starts with a uniform subnet.
  ///   - population: number of candidates in a generation; the paper has 100.
  /// - Throws: `SearchError.invalidSettings`, or `validate`'s errors for a genome outside the space.
  public init(
    _ space: BudgetedSpace, objectives: Int, seed: UInt64, initial: Genome, population: Int = 100
  ) throws(SearchError) {
    if population < 2 { throw .invalidSettings(reason: "a population of \(population)") }
    self.population = population
    parentCount = max(2, population / 10)
    ledger = try CandidateLedger(space, objectives: objectives, seed: seed, initial: [(initial, "uniform")])
  }

  public mutating func advance() throws(SearchError) {
    if ledger.next < generationStart + population { return }
    try ledger.requireResults()
    parents = ledger.ranked.prefix(parentCount).map(\.candidate.genome)
    generation += 1
    generationStart = ledger.next
  }

  public func propose(using generator: inout SeededGenerator) -> (genome: Genome, origin: String)? {
    let origin = origin(of: ledger.next - generationStart)
    var last = ledger.first[0].genome
    for _ in 0..<Self.tries {
      last = child(origin, using: &generator)
      if isInside(last), !ledger.genomes.contains(last) { return (last, origin) }
    }
    let fitted = space.fitted(last, to: space.allowed.upperBound, using: &generator)
    return ledger.genomes.contains(fitted) ? nil : (fitted, origin)
  }

  private func origin(of place: Int) -> String {
    if parents.isEmpty { return "fresh" }
    let share = Double(place) / Double(population)
    return share < 0.5 ? "mutation" : share < 0.8 ? "crossover" : "fresh"
  }

  private func child(_ origin: String, using generator: inout SeededGenerator) -> Genome {
    if parents.isEmpty { return mutated(ledger.first[0].genome, Self.initialProbability, using: &generator) }
    let first = parents[generator.integer(below: parents.count)]
    switch origin {
    case "crossover":
      let second = parents[generator.integer(below: parents.count)]
      return space.space.canonical(zip(first, second).map { generator.chance(0.5) ? $0 : $1 })
    case "fresh": return mutated(first, Self.initialProbability, using: &generator)
    default: return mutated(first, Self.probability, using: &generator)
    }
  }

  /// The genome with each gene drawn anew with a probability.
  private func mutated(_ genome: Genome, _ probability: Double, using generator: inout SeededGenerator) -> Genome {
    let changed = zip(genome, space.space.variables).map { value, variable in
      variable.levels > 1 && generator.chance(probability) ? variable.random(using: &generator) : value
    }
    return space.space.canonical(changed)
  }

  private func isInside(_ genome: Genome) -> Bool {
    let cost = space.cost.cost(genome)
    return space.allowed.contains(cost) && Double(cost) >= 0.98 * Double(space.allowed.upperBound)
  }
}
