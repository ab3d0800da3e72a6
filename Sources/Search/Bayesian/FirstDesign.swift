import LinearAlgebra

/// The candidates before there is anything to learn from: given genomes, then quasi-random ones.
struct FirstDesign: Sendable {
  /// At least one candidate, if necessary from the quasi-random sequence.
  let genomes: [(genome: Genome, origin: String)]

  /// - Parameters:
  ///   - initial: genomes to ask first. Those inside the budget stay exactly as they are, the others are fitted.
  ///   - quasiRandom: number of genomes to add.
  /// - Throws: `validate`'s errors for an initial genome.
  init(
    _ initial: [(genome: Genome, origin: String)], quasiRandom: Int, in space: BudgetedSpace, seed: UInt64
  ) throws(SearchError) {
    let given = try FreshGenomes.admitted(initial, in: space, seed: seed)
    let more = max(given.count + quasiRandom, 1) - given.count
    genomes = given + space.quasiRandomGenomes(more, seed: seed).map { ($0, "quasi-random") }
  }

  var count: Int { genomes.count }

  /// The candidate number `ordinal`; `nil` if the design has ended, or the genome was asked already.
  func genome(_ ordinal: Int, except known: Set<Genome>) -> (genome: Genome, origin: String)? {
    guard genomes.indices.contains(ordinal), !known.contains(genomes[ordinal].genome) else { return nil }
    return genomes[ordinal]
  }
}
