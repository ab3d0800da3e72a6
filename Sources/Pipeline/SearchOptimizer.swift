import Evaluation
import Search
import Subnets

/// Who proposes the candidates of a search.
public enum SearchOptimizer: String, CaseIterable, Sendable, Codable {
  /// Bayesian search or evolution, whichever suits the space, the budget and the cost of an evaluation.
  case automatic = "auto"
  /// NSGA-II with mutations and a crossover that keep to the budget.
  case evolution
  /// Gaussian processes and expected hypervolume improvement; the error curves are the prior mean.
  case bayesian
  /// Tree-structured Parzen estimators.
  case treeParzen = "tpe"
  /// Bayesian search over score, calibration and other genes of the whole network, evolution over the widths inside; at one size.
  case nested
  /// The evolution of Search for Efficient LLMs with its probabilities, from a uniform subnet; at one size.
  case searchLLM = "search-llm"
  /// Genomes at random after the first population: the control.
  case random
  /// The same, spread evenly.
  case quasiRandom = "quasi-random"

  /// How many candidates it gives out before it needs results.
  func batch(_ settings: SearchSettings) -> Int {
    // Each candidate of a Bayesian batch but the first is chosen on beliefs, so a batch is smaller than a generation.
    self == .bayesian ? max(1, settings.population / 4) : settings.population
  }

  /// - Throws: `PipelineError.invalidOption` where the settings leave open what it needs, before anything slow.
  func check(_ settings: SearchSettings) throws {
    if settings.objectives.count > 2, self == .bayesian {
      throw PipelineError.invalidOption("--optimizer bayesian takes one or two objectives")
    }
    if settings.target == nil, self == .nested || self == .searchLLM { throw Self.needsTarget(rawValue) }
  }

  /// - Parameters:
  ///   - initial: the first candidates.
  ///   - predict: what error curves promise of a genome, in nats.
  func optimizer(
    _ bound: BoundSpace, _ space: BudgetedSpace, _ settings: SearchSettings,
    initial: [(genome: Genome, origin: String)],
    predict: @escaping @Sendable (Genome) -> Double?
  ) throws -> AnyOptimizer {
    let (objectives, seed) = (settings.objectives.count, settings.plan.seed)
    switch self {
    case .automatic, .evolution:
      var evolution = NSGA2.Settings()
      evolution.population = settings.population
      return AnyOptimizer(
        try NSGA2(space, objectives: objectives, seed: seed, initial: initial, settings: evolution))
    case .bayesian:
      var bayesian = BayesianSearch.Settings()
      bayesian.batch = batch(settings)
      // What is known beforehand needs no model; one objective at least is to be learned.
      let costs = try ObjectiveList(settings.objectives).all.map { $0.cost(in: bound) }
      let known = costs.count < 2 ? nil : costs.enumerated().compactMap { place, cost in cost.map { (place, $0) } }.last
      return AnyOptimizer(
        try BayesianSearch(
          space, objectives: objectives, seed: seed, initial: initial,
          cost: known, prediction: predict, settings: bayesian))
    case .treeParzen:
      return AnyOptimizer(try TreeParzenSearch(space, objectives: objectives, seed: seed, initial: initial))
    case .nested:
      return AnyOptimizer(
        try NestedSearch(space, objectives: objectives, seed: seed, initial: initial, population: settings.population))
    case .searchLLM:
      guard let uniform = initial.first(where: { $0.origin == "uniform" }) else {
        throw Self.needsTarget("search-llm")
      }
      return AnyOptimizer(
        try SearchLLMEvolution(
          space, objectives: objectives, seed: seed, initial: uniform.genome, population: settings.population))
    case .quasiRandom:
      return AnyOptimizer(try QuasiRandomSearch(space, objectives: objectives, seed: seed, initial: initial))
    case .random:
      return AnyOptimizer(try RandomSearch(space, objectives: objectives, seed: seed, initial: initial))
    }
  }
}

extension SearchOptimizer {
  private static func needsTarget(_ name: String) -> PipelineError {
    .invalidOption("--optimizer \(name) searches one size: give --keep, --params or --size")
  }
}

extension ChosenOptimizer {
  /// Products a second that evaluations are reckoned with. A fixed number, not a measured one: the same command is to choose
  /// alike everywhere.
  private static let productsPerSecond = 1e11

  /// Decides where the choice is left open.
  ///
  /// - Parameters:
  ///   - parameters: of the parent.
  ///   - tokens: that a candidate is judged on.
  init(
    _ wanted: SearchOptimizer, _ space: DesignSpace, _ settings: SearchSettings, _ budget: SearchBudget,
    parameters: Int, tokens: Int
  ) {
    if wanted != .automatic {
      self.init(name: wanted)
      return
    }
    if settings.objectives.count > 2 {
      self.init(name: .evolution, reason: "of the learning ones it alone takes three objectives")
      return
    }
    if settings.rungs > 1 {
      self.init(name: .evolution, reason: "with rungs the candidates of a generation compete")
      return
    }
    let seconds = 2 * Double(parameters) * Double(tokens) / Self.productsPerSecond
    let evaluations = budget.evaluations ?? budget.seconds.map { Int(min(1e6, $0 / seconds)) } ?? 0
    let found = AutomaticChoice.choose(
      dimensions: space.variables.count { $0.levels > 1 }, evaluations: evaluations, secondsPerEvaluation: seconds)
    switch found.optimizer {
    case .bayesian: self.init(name: .bayesian, reason: found.reason)
    case .evolution: self.init(name: .evolution, reason: found.reason)
    case .random: self.init(name: .random, reason: found.reason)
    }
  }
}
