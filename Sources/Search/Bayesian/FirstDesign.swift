import LinearAlgebra

/// What is asked before there is anything to learn from: given genomes, then quasi-random ones.
struct FirstDesign: Sendable {
  /// At least one candidate, also where the quasi-random sequence has to give it.
  let genomes: [(genome: Genome, origin: String)]

  /// - Parameters:
  ///   - initial: those inside the budget stay exactly as they are, the others are fitted.
  ///   - quasiRandom: how many to add.
  /// - Throws: `validate`'s errors for an initial genome.
  init(
    _ initial: [(genome: Genome, origin: String)], quasiRandom: Int, in space: BudgetedSpace, seed: UInt64
  ) throws(SearchError) {
    let given = try FreshGenomes.admitted(initial, in: space, seed: seed)
    let more = max(given.count + quasiRandom, 1) - given.count
    genomes = given + space.quasiRandomGenomes(more, seed: seed).map { ($0, "quasi-random") }
  }

  var count: Int { genomes.count }

  /// What is to be asked as number `ordinal`; `nil` where the design is at its end, or the genome was asked already.
  func genome(_ ordinal: Int, except known: Set<Genome>) -> (genome: Genome, origin: String)? {
    guard genomes.indices.contains(ordinal), !known.contains(genomes[ordinal].genome) else { return nil }
    return genomes[ordinal]
  }
}
