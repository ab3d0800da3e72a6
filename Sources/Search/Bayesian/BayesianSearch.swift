import Foundation
import LinearAlgebra

/// Bayesian optimisation: a Gaussian process for every objective predicts where the next evaluation gains most.
///
/// The first candidates are the given genomes and quasi-random ones. Then come batches. Their candidates maximise
/// expected (hypervolume) improvement one after the other; each treats those before it as evaluated with their expected
/// values. The search for them begins at the genomes of the front, inside a trust region, and at a few random genomes
/// anywhere. A candidate depends only on the seed, its ordinal and the results of earlier batches.
///
/// With `n` results a candidate takes about `5·10³` predictions of `n²` multiplications each. Hyper-parameters are
/// fitted again at every batch up to 96 candidates, then after each eighth more. Up to about 2,000 results are
/// practical.
public struct BayesianSearch: LedgerOptimizer {
  public struct Settings: Hashable, Codable, Sendable {
    /// Number of candidates that are chosen before results are needed again.
    public var batch = 4
    /// Number of quasi-random candidates after the given first ones.
    public var quasiRandom = 12
    /// Numbers of starts and line searches for a fit of the hyper-parameters.
    public var fitStarts = 2
    public var fitIterations = 40

    public init() {}
  }

  /// An objective and the cost of a genome that is its value.
  public typealias Cost = (objective: Int, table: any CostTable)

  public let settings: Settings
  private let cost: Cost?
  private let prediction: GaussianProcess.Prediction?
  private let variation: Variation
  public var ledger: CandidateLedger
  private var region: TrustRegion
  /// The ordinals at which the current batch begins and ends. The first batch is the given and quasi-random genomes.
  private var batchStart = 0
  private var batchEnd: Int
  private var fit: Fit?
  private var beliefs: Beliefs?

  /// Scales and hyper-parameters, made from the results of the candidates before `ordinal`.
  private struct Fit: Sendable {
    let ordinal: Int
    let warps: [OutputWarp]
    let hyperparameters: [Hyperparameters?]
  }

  /// The surrogate of the batch that starts at `batchStart`, with expected values for the batch's candidates up to
  /// `next`.
  private struct Beliefs: Sendable {
    let batchStart: Int
    var next: Int
    var surrogate: Surrogate
  }

  /// - Parameters:
  ///   - objectives: number of values in a result, 1 or 2.
  ///   - initial: genomes to ask first. Those inside the budget stay exactly as they are, the others are fitted.
  ///   - cost: objective whose values are known beforehand, if there is one: it needs no model.
  ///   - prediction: a guess of the first objective (not of the cost), in its units up to an affine function, which the
  ///     prior mean follows. Where the objective is seen as its logarithm, so is the guess.
  /// - Throws: `SearchError.invalidSettings`, `.unsupportedObjectiveCount`, or `validate`'s errors for an initial
  ///   genome.
  public init(
    _ space: BudgetedSpace, objectives: Int, seed: UInt64, initial: [(genome: Genome, origin: String)] = [],
    cost: Cost? = nil, prediction: GaussianProcess.Prediction? = nil, settings: Settings = Settings()
  ) throws(SearchError) {
    if settings.batch < 1 { throw .invalidSettings(reason: "a batch of \(settings.batch)") }
    if settings.quasiRandom < 0 || settings.fitStarts < 1 || settings.fitIterations < 0 {
      throw .invalidSettings(reason: "a negative number of first candidates, starts or iterations")
    }
    if !(1...2).contains(objectives) {
      throw .unsupportedObjectiveCount(measure: "Bayesian search", supported: "1 or 2", found: objectives)
    }
    if let cost {
      if objectives < 2 || !(0..<objectives).contains(cost.objective) {
        throw .invalidSettings(reason: "objective \(cost.objective) of \(objectives) as the cost")
      }
      try cost.table.validate(for: space.space)
    }
    self.settings = settings
    self.cost = cost
    self.prediction = prediction
    variation = Variation(space, halving: 1)
    ledger = try CandidateLedger(
      space, objectives: objectives, seed: seed, initial: initial, quasiRandom: settings.quasiRandom)
    batchEnd = ledger.first.count
    region = TrustRegion(dimensions: space.space.variables.count { $0.levels > 1 }, batch: settings.batch)
  }

  /// 0 for the first candidates, then the number of the batch.
  public var generation: Int { batchStart == 0 ? 0 : (batchStart - ledger.first.count) / settings.batch + 1 }

  // MARK: - Ask and tell

  /// Accepts a stored candidate as the next one without computing it, which would need a model. Only the first genomes
  /// are compared with those that this search would ask.
  public mutating func adopt(_ candidate: Candidate) throws(SearchError) -> Bool {
    if ledger.isExhausted || candidate.ordinal != ledger.next { return false }
    try space.space.validate(candidate.genome)
    try advance()
    if ledger.genomes.contains(candidate.genome) || !space.allowed.contains(space.cost.cost(candidate.genome)) {
      return false
    }
    if let first = ledger.nextFirst, first.genome != candidate.genome { return false }
    _ = ledger.ask(candidate.genome, origin: candidate.origin)
    return true
  }

  /// Goes on to the next batch if all of this one was asked; the region learns from its results.
  public mutating func advance() throws(SearchError) {
    if ledger.next < batchEnd { return }
    try ledger.requireResults()
    if batchStart > 0 {
      let new = (batchStart..<batchEnd).compactMap { ledger.results[$0] }
      let old = (0..<batchStart).compactMap { ledger.results[$0] }
      region.advance(success: TrustRegion.succeeds(new, over: old))
    }
    batchStart = batchEnd
    batchEnd += settings.batch
  }

  // MARK: - Candidates

  /// The most promising unknown genome; `nil` if there is no model or no unknown genome was found.
  public mutating func propose(using generator: inout SeededGenerator) -> (genome: Genome, origin: String)? {
    guard batchStart > 0, let surrogate = believed() else { return nil }
    let known = ledger.evaluated.filter { $0.candidate.ordinal < batchStart }
    let front = surrogate.front.filter(known.indices.contains).map { known[$0].candidate.genome }
    let scattered = (0..<64).map { _ in space.randomCandidate(using: &generator) }
    let search = AcquisitionSearch(
      space: space, variation: variation, known: ledger.genomes, region: region, score: surrogate.scores)
    return search.best(incumbents: region.restarted ? [] : front, scattered: scattered, using: &generator)
      .map { ($0.genome, $0.origin) }
  }

  /// The surrogate of this batch with expected values for its candidates so far; `nil` if there are no results to learn
  /// from.
  private mutating func believed() -> Surrogate? {
    let known = ledger.evaluated.filter { $0.candidate.ordinal < batchStart }
    if known.isEmpty { return nil }
    if beliefs?.batchStart != batchStart {
      fitIfNeeded()
      guard let fit,
        let surrogate = try? Surrogate(
          known, design: known.count { $0.candidate.ordinal < ledger.first.count }, in: space, warps: fit.warps,
          prediction: prediction, hyperparameters: fit.hyperparameters, cost: cost?.table ?? space.cost)
      else { return nil }
      beliefs = Beliefs(batchStart: batchStart, next: batchStart, surrogate: surrogate)
    }
    guard var current = beliefs else { return nil }
    beliefs = nil
    while current.next < ledger.next {
      do {
        try current.surrogate.believe(ledger.asked[current.next].genome)
      } catch {
        return nil
      }
      current.next += 1
    }
    beliefs = current
    return current.surrogate
  }

  // MARK: - Fits

  /// The start of the batch whose fit this batch uses: its own up to 96 candidates, then the last batch with an eighth
  /// more candidates than at the fit before.
  private var fitOrdinal: Int {
    var (start, last) = (ledger.first.count, 0)
    while start <= batchStart {
      if start <= 96 || start - last >= start / 8 { last = start }
      start += settings.batch
    }
    return last
  }

  private mutating func fitIfNeeded() {
    let ordinal = fitOrdinal
    if fit?.ordinal == ordinal { return }
    let known = ledger.evaluated.filter { $0.candidate.ordinal < ordinal }
    if known.isEmpty { return }
    var warps: [OutputWarp] = []
    var hyperparameters: [Hyperparameters?] = []
    for objective in 0..<ledger.objectiveCount {
      if objective == cost?.objective {
        warps.append(.none)
        hyperparameters.append(nil)
        continue
      }
      let best = mostProbable(known, objective: objective)
      warps.append(best.warp)
      hyperparameters.append(best.hyperparameters)
    }
    fit = Fit(ordinal: ordinal, warps: warps, hyperparameters: hyperparameters)
  }

  /// The scale on which the values of an objective are most probable, and the hyper-parameters on it.
  private func mostProbable(
    _ known: [EvaluatedCandidate], objective: Int
  ) -> (warp: OutputWarp, hyperparameters: Hyperparameters?) {
    let best = GaussianProcess.mostProbable(
      known.map { $0.objectives[objective] }, starts: settings.fitStarts, iterations: settings.fitIterations
    ) { warp in
      Surrogate.data(known, objective: objective, in: space, warp: warp, prediction: objective == 0 ? prediction : nil)
    }
    return (best?.warp ?? .none, best?.hyperparameters)
  }
}
