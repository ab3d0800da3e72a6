import Search

/// Who proposes the candidates of a search.
public enum SearchOptimizer: String, CaseIterable, Sendable {
  /// NSGA-II with mutations and a crossover that keep to the budget.
  case evolution
  /// Gaussian processes and expected hypervolume improvement; the error curves are the prior mean.
  case bayesian
  /// Tree-structured Parzen estimators.
  case treeParzen = "tpe"
  /// Genomes at random after the first population: the control.
  case random
  /// The same, spread evenly.
  case quasiRandom = "quasi-random"

  /// - Throws: `PipelineError.invalidOption`; `nil` names the evolution.
  static func named(_ name: String?) throws -> SearchOptimizer {
    guard let name else { return .evolution }
    guard let found = SearchOptimizer(rawValue: name) else {
      let known = allCases.map(\.rawValue).joined(separator: ", ")
      throw PipelineError.invalidOption("unknown optimizer '\(name)' (known: \(known))")
    }
    return found
  }

  /// - Parameters:
  ///   - initial: the first candidates.
  ///   - predict: what error curves promise of a genome, in nats.
  func optimizer(
    _ space: BudgetedSpace, _ settings: SearchSettings, initial: [(genome: Genome, origin: String)],
    predict: @escaping @Sendable (Genome) -> Double?
  ) throws -> AnyOptimizer {
    let (objectives, seed) = (settings.objectives.count, settings.seed)
    switch self {
    case .evolution:
      var evolution = NSGA2.Settings()
      evolution.population = settings.population
      return AnyOptimizer(
        try NSGA2(space, objectives: objectives, seed: seed, initial: initial, settings: evolution))
    case .bayesian:
      return AnyOptimizer(
        try BayesianSearch(
          space, objectives: objectives, seed: seed, initial: initial,
          costObjective: settings.objectives.firstIndex(of: "params"), prediction: predict))
    case .treeParzen:
      return AnyOptimizer(try TreeParzenSearch(space, objectives: objectives, seed: seed, initial: initial))
    case .quasiRandom:
      return AnyOptimizer(try QuasiRandomSearch(space, objectives: objectives, seed: seed, initial: initial))
    case .random:
      return AnyOptimizer(try RandomSearch(space, objectives: objectives, seed: seed, initial: initial))
    }
  }
}
