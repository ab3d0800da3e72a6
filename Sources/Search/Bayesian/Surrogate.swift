import LinearAlgebra

/// The beliefs about all objectives: one Gaussian process each, except for the cost, which is known exactly.
struct Surrogate: Sendable {
  /// A process with the scale of its objective, or `nil` for the cost.
  private(set) var processes: [GaussianProcess?]
  private let warps: [OutputWarp]
  private let cost: any CostTable
  /// Warped objectives of all observations, then of the fantasies.
  private var points: [[Double]]
  private let reference: [Double]
  private var improvement: ExpectedImprovement

  /// - Parameters:
  ///   - observed: observations, at least one; no model chose the first `design` of them.
  ///   - hyperparameters: one set for each objective, `nil` for the cost.
  ///   - cost: cost of a genome in the units of the objective without a process.
  init(
    _ observed: [EvaluatedCandidate], design: Int, in space: BudgetedSpace, warps: [OutputWarp],
    prediction: GaussianProcess.Prediction?, hyperparameters: [Hyperparameters?], cost: any CostTable
  ) throws(LinearAlgebraError) {
    self.cost = cost
    self.warps = warps
    let points = observed.map { zip(warps, $0.objectives).map { $0.apply($1) } }
    var processes: [GaussianProcess?] = []
    for (objective, hyperparameters) in hyperparameters.enumerated() {
      guard let hyperparameters else {
        processes.append(nil)
        continue
      }
      let data = Self.data(
        observed, objective: objective, in: space, warp: warps[objective], prediction: objective == 0 ? prediction : nil
      )
      processes.append(try GaussianProcess(data, hyperparameters))
    }
    self.processes = processes
    self.points = points
    let costs = hyperparameters.map { $0 == nil }
    reference =
      costs.count == 2
      ? Self.reference(points, design: design, space, costs: costs, cost) : []
    improvement = ExpectedImprovement(points, reference: reference)
  }

  static func data(
    _ observed: [EvaluatedCandidate], objective: Int, in space: BudgetedSpace, warp: OutputWarp,
    prediction: GaussianProcess.Prediction?
  ) -> TrainingData {
    var warped: GaussianProcess.Prediction?
    if let prediction { warped = { genome in prediction(genome).map { warp.apply($0) } } }
    return TrainingData(
      space.space, genomes: observed.map(\.candidate.genome),
      targets: observed.map { warp.apply($0.objectives[objective]) },
      prediction: warped)
  }

  /// A corner that is a tenth of the range worse than the worst values of the front and of the first design, so that
  /// the ends of the front count as well; for a cost, a tenth of the allowed range above the largest allowed one.
  /// Values of later candidates off the front do not count: they would draw the search to bad regions.
  private static func reference(
    _ points: [[Double]], design: Int, _ space: BudgetedSpace, costs: [Bool], _ cost: any CostTable
  ) -> [Double] {
    let front = ParetoFront.nonDominated(points).map { points[$0] }
    return (0..<2).map { objective in
      if costs[objective] {
        // In the units of the objective; the budget may count others.
        let scale = Double(cost.cost(space.space.highest)) - Double(cost.cost(space.space.lowest))
        let unit = scale / max(1, Double(space.reachable.count - 1))
        let above = Double(space.reachable.upperBound - space.allowed.upperBound) * unit
        return Double(cost.cost(space.space.highest)) - above + 0.1 * max(1, Double(space.allowed.count - 1) * unit)
      }
      let values = (front + points.prefix(design)).map { $0[objective] }
      guard let low = values.min(), let high = values.max() else { return 0 }
      return high + 0.1 * max(high - low, 1e-9 * abs(high))
    }
  }

  /// Log expected improvements.
  func scores(_ genomes: [Genome]) -> [Double] {
    if genomes.isEmpty { return [] }
    let beliefs = beliefs(genomes)
    return genomes.indices.map { index in improvement.logarithm(beliefs.map { $0[index] }) }
  }

  /// The warped front as far as it is known, by the index of the observation; fantasies come after the observations.
  var front: [Int] { ParetoFront.nonDominated(points) }

  /// Treats the expected objectives of a genome as observed, so that the next choice of a batch differs.
  ///
  /// Source: "kriging believer", Ginsbourger, Le Riche and Carraro, "Kriging Is Well-Suited to Parallelize
  /// Optimization", 2010, section 4.
  mutating func believe(_ genome: Genome) throws(LinearAlgebraError) {
    let expected = beliefs([genome]).map { $0[0].mean }
    for (objective, process) in processes.enumerated() {
      processes[objective] = try process?.conditioned(on: genome, target: expected[objective])
    }
    points.append(expected)
    improvement = ExpectedImprovement(points, reference: reference)
  }

  /// By objective, then by genome.
  private func beliefs(_ genomes: [Genome]) -> [[Belief]] {
    processes.enumerated().map { objective, process in
      guard let posterior = process?.posterior(genomes) else {
        return genomes.map { Belief(mean: warps[objective].apply(Double(cost.cost($0))), deviation: 0) }
      }
      return zip(posterior.means, posterior.variances).map { Belief(mean: $0, deviation: $1.squareRoot()) }
    }
  }
}
