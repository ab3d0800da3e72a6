import Reformation
import Search
import Subnets

/// Looks for the widths of one score's ranking that diverge least from the dense model under a budget of block parameters. No
/// genome is judged twice.
final class AllocationSearch {
  private let bench: Workbench
  private let candidates: RankedCandidates
  private let budget: Int
  private var known: [Genome: Double] = [:]

  init(_ bench: Workbench, _ candidates: RankedCandidates, budget: Int) {
    self.bench = bench
    self.candidates = candidates
    self.budget = budget
  }

  /// The divergences of genomes, those that are not known yet judged together.
  private func divergences(of genomes: [Genome]) throws -> [Double] {
    var new: [Genome] = []
    for genome in genomes where known[genome] == nil && !new.contains(genome) { new.append(genome) }
    for (genome, value) in zip(new, try candidates.divergences(of: new)) { known[genome] = value }
    return genomes.map { known[$0] ?? .infinity }
  }

  /// Allocations by warped error curves: the trend over depth and kind of module that the curves miss.
  func warp(_ curves: [ModuleCurve], evaluations: Int) throws {
    try bench.timed(.search) {
      var search = WarpSearch(seed: bench.seed)
      var done = 0
      while done < evaluations {
        let warps = search.ask(min(12, evaluations - done))
        let genomes = warps.compactMap { candidates.solution($0.apply(curves), budget: budget)?.genome }
        guard genomes.count == warps.count else { return }
        search.tell(warps, try divergences(of: genomes))
        done += warps.count
        try bench.monitor.advance(.init(.trends), done, of: evaluations)
      }
    }
  }

  /// Evolution that begins with the best known and the given genomes.
  ///
  /// - Parameters:
  ///   - initial: at least one.
  ///   - evaluations: of this search, all that were known before it included.
  /// - Returns: the best genome known, and its divergence.
  func evolve(from initial: [Genome], evaluations: Int) throws -> (genome: Genome, value: Double) {
    try bench.timed(.search) {
      let space = candidates.space
      let budgeted = try BudgetedSpace(
        space.design, cost: space.cost, budget: Budget(maximum: budget, useWholeBudget: true))
      let first = Array(ranked.prefix(8)) + initial.filter { known[$0] == nil }
      var optimizer = try NSGA2(
        budgeted, objectives: 1, seed: bench.seed, initial: first.map { ($0, "curve") })
      while known.count < max(1, evaluations) {
        let batch = try optimizer.askBatch(
          limit: min(optimizer.settings.population, max(1, evaluations - known.count)))
        if batch.isEmpty { break }
        for (candidate, value) in zip(batch, try divergences(of: batch.map(\.genome))) {
          try optimizer.tell(candidate.ordinal, objectives: [value])
        }
        try bench.monitor.advance(.init(.evolution), min(known.count, evaluations), of: evaluations)
      }
      let best = ranked.first ?? initial[0]
      return (best, known[best] ?? .infinity)
    }
  }

  /// What is known, the best first.
  private var ranked: [Genome] {
    known.sorted { a, b in
      a.value == b.value ? a.key.lexicographicallyPrecedes(b.key) : a.value < b.value
    }.map(\.key)
  }
}
