import Foundation
import LinearAlgebra

/// Tree-structured Parzen estimators: genomes that are likely among the good ones and unlikely among the others.
///
/// After a first design the results so far are split into a good part and the rest. They are ranked by non-domination
/// and, inside a rank, by a point's contribution to the hypervolume. A density is estimated for each part. Many genomes
/// are drawn from the density of the good ones and fitted to the budget; the one with the largest ratio of the two
/// densities is asked. A candidate depends only on the seed, its ordinal and the results of earlier batches.
///
/// Sources: Bergstra, Bardenet, Bengio and Kégl, "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011, section
/// 4; Ozaki, Tanigaki, Watanabe, Nomura and Onishi, "Multiobjective Tree-Structured Parzen Estimator", Journal of
/// Artificial Intelligence Research 73, 2022, section 4, for several objectives.
public struct TreeParzenSearch: LedgerOptimizer {
  public struct Settings: Hashable, Codable, Sendable {
    /// Number of candidates that are chosen before results are needed again.
    public var batch = 4
    /// Number of quasi-random candidates after the given first ones.
    public var quasiRandom = 16
    /// The share of results that counts as good, and the largest number of them.
    public var goodShare = 0.15
    public var goodCount = 25
    /// Number of genomes drawn for each one that is asked.
    public var draws = 64

    public init() {}
  }

  public let settings: Settings
  public var ledger: CandidateLedger
  private var batchEnd: Int
  /// Densities of the good and of the other results before this batch.
  private var densities: (good: ParzenEstimator, other: ParzenEstimator)?

  /// - Parameters:
  ///   - objectives: number of values in a result, 1 to 3.
  ///   - initial: genomes to ask first. Those inside the budget stay exactly as they are, the others are fitted.
  /// - Throws: `SearchError.invalidSettings`, `.unsupportedObjectiveCount`, or `validate`'s errors for an initial
  ///   genome.
  public init(
    _ space: BudgetedSpace, objectives: Int, seed: UInt64, initial: [(genome: Genome, origin: String)] = [],
    settings: Settings = Settings()
  ) throws(SearchError) {
    if settings.batch < 1 || settings.draws < 1 || settings.goodCount < 1 || settings.quasiRandom < 0 {
      throw .invalidSettings(reason: "a batch, number of draws or good results below 1")
    }
    if !(settings.goodShare > 0 && settings.goodShare < 1) {
      throw .invalidSettings(reason: "the share \(settings.goodShare) is not between 0 and 1")
    }
    if objectives > 3 {
      throw .unsupportedObjectiveCount(measure: "Parzen search", supported: "1 to 3", found: objectives)
    }
    self.settings = settings
    ledger = try CandidateLedger(
      space, objectives: objectives, seed: seed, initial: initial, quasiRandom: settings.quasiRandom)
    batchEnd = ledger.first.count
  }

  public mutating func advance() throws(SearchError) {
    if ledger.next < batchEnd { return }
    try ledger.requireResults()
    estimate()
    batchEnd += settings.batch
  }

  public func propose(using generator: inout SeededGenerator) -> (genome: Genome, origin: String)? {
    guard let densities else { return nil }
    var best: (genome: Genome, score: Double)?
    for _ in 0..<settings.draws {
      let drawn = densities.good.sample(using: &generator)
      let target = space.budget.useWholeBudget ? space.allowed.upperBound : space.cost.cost(drawn)
      let genome = space.isAcceptable(drawn) ? drawn : space.fitted(drawn, to: target, using: &generator)
      if ledger.genomes.contains(genome) || !space.allowed.contains(space.cost.cost(genome)) { continue }
      let score = densities.good.logDensity(genome) - densities.other.logDensity(genome)
      if score > best?.score ?? -.infinity { best = (genome, score) }
    }
    return best.map { ($0.genome, "parzen") }
  }

  private mutating func estimate() {
    let results = ledger.evaluated
    if results.count < 2 {
      densities = nil
      return
    }
    let share = Int((settings.goodShare * Double(results.count)).rounded(.up))
    let good = Set(Self.best(results.map(\.objectives), count: min(share, settings.goodCount)))
    let genomes = results.map(\.candidate.genome)
    // The rule of Scott for the product of normal distributions, with a fifth of the range for a single observation.
    let dimensions = Double(space.space.variables.count { $0.levels > 1 })
    func estimator(_ members: [Genome]) -> ParzenEstimator {
      let bandwidth = 0.2 * pow(Double(max(1, members.count)), -1 / (dimensions + 4))
      return ParzenEstimator(members, space: space.space, bandwidth: bandwidth)
    }
    densities = (
      estimator(good.sorted().map { genomes[$0] }),
      estimator(genomes.indices.filter { !good.contains($0) }.map { genomes[$0] })
    )
  }

  /// The best points by rank. From the rank that does not fit, the points that add most to the hypervolume are taken
  /// one after the other.
  static func best(_ points: [[Double]], count: Int) -> [Int] {
    var chosen: [Int] = []
    for front in ParetoFront.fronts(points) where chosen.count < count {
      if chosen.count + front.count <= count {
        chosen += front
        continue
      }
      let reference = points[front[0]].indices.map { objective in
        let values = front.map { points[$0][objective] }
        let (low, high) = (values.min() ?? 0, values.max() ?? 0)
        return high + 0.1 * max(high - low, 1e-9 * abs(high), .leastNormalMagnitude)
      }
      var (rest, members) = (front, [[Double]]())
      while chosen.count < count {
        let volumes = rest.map { (try? ParetoFront.hypervolume(members + [points[$0]], reference: reference)) ?? 0 }
        guard let place = rest.indices.max(by: { (volumes[$0], -rest[$0]) < (volumes[$1], -rest[$1]) }) else { break }
        members.append(points[rest[place]])
        chosen.append(rest.remove(at: place))
      }
    }
    return chosen
  }
}
