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

  /// Whether it searches one size only.
  public var needsTarget: Bool { self == .nested || self == .searchLLM }

  /// How many candidates it gives out before it needs results.
  ///
  /// - Parameter population: candidates of a generation.
  public func batch(population: Int) -> Int {
    // Each candidate of a Bayesian batch but the first is chosen on beliefs, so a batch is smaller than a generation.
    self == .bayesian ? max(1, population / 4) : population
  }

  /// - Parameters:
  ///   - bound: what the genomes mean, for the objectives whose values the widths alone decide.
  ///   - population: candidates of a generation.
  ///   - initial: the first candidates.
  ///   - predict: what error curves promise of a genome, in nats.
  /// - Throws: `SearchError.invalidSettings` for an optimiser that needs a uniform first candidate and has none.
  public func optimizer(
    _ bound: BoundSpace, _ space: BudgetedSpace, objectives: ObjectiveList, population: Int, seed: UInt64,
    initial: [(genome: Genome, origin: String)], predict: @escaping @Sendable (Genome) -> Double?
  ) throws -> any Optimizer {
    let count = objectives.all.count
    switch self {
    case .automatic, .evolution:
      var evolution = NSGA2.Settings()
      evolution.population = population
      return try NSGA2(space, objectives: count, seed: seed, initial: initial, settings: evolution)
    case .bayesian:
      var bayesian = BayesianSearch.Settings()
      bayesian.batch = batch(population: population)
      // What is known beforehand needs no model; one objective at least is to be learned.
      let costs = objectives.all.map { $0.cost(in: bound) }
      let known = count < 2 ? nil : costs.enumerated().compactMap { place, cost in cost.map { (place, $0) } }.last
      return try BayesianSearch(
        space, objectives: count, seed: seed, initial: initial, cost: known, prediction: predict, settings: bayesian)
    case .treeParzen:
      return try TreeParzenSearch(space, objectives: count, seed: seed, initial: initial)
    case .nested:
      return try NestedSearch(space, objectives: count, seed: seed, initial: initial, population: population)
    case .searchLLM:
      guard let uniform = initial.first(where: { $0.origin == "uniform" }) else {
        throw SearchError.invalidSettings(
          reason: "the optimizer search-llm begins with a uniform subnet; there is none")
      }
      return try SearchLLMEvolution(
        space, objectives: count, seed: seed, initial: uniform.genome, population: population)
    case .quasiRandom:
      return try QuasiRandomSearch(space, objectives: count, seed: seed, initial: initial)
    case .random:
      return try RandomSearch(space, objectives: count, seed: seed, initial: initial)
    }
  }
}

/// Who proposes the candidates of a study, and why that was chosen.
public struct ChosenOptimizer: Codable, Equatable, Sendable {
  public var name: SearchOptimizer
  /// `nil` where it was given.
  public var reason: String?

  /// For people.
  public var description: String { name.rawValue + (reason.map { " (chosen: \($0))" } ?? "") }

  /// Products a second that evaluations are reckoned with. A fixed number, not a measured one: the same command is to choose
  /// alike everywhere.
  private static let productsPerSecond = 1e11
}

extension ChosenOptimizer {
  /// Decides if the choice is left open.
  ///
  /// - Parameters:
  ///   - objectives: how many.
  ///   - hasRungs: whether the candidates of a generation compete.
  ///   - evaluations: candidates that will be judged; `nil` if only the time is known.
  ///   - seconds: time for them; `nil` for any.
  ///   - parameters: of the parent.
  ///   - tokens: that a candidate is judged on.
  public init(
    _ wanted: SearchOptimizer, _ space: DesignSpace, objectives: Int = 2, hasRungs: Bool = false, evaluations: Int?,
    seconds: Double? = nil, parameters: Int, tokens: Int
  ) {
    let each = 2 * Double(parameters) * Double(tokens) / Self.productsPerSecond
    if wanted != .automatic {
      self.init(name: wanted)
    } else if objectives > 2 {
      self.init(name: .evolution, reason: "the Bayesian search takes two objectives at most")
    } else if hasRungs {
      self.init(name: .evolution, reason: "with rungs the candidates of a generation compete")
    } else {
      let found = AutomaticChoice.choose(
        dimensions: space.variables.count { $0.levels > 1 },
        evaluations: evaluations ?? seconds.map { Int(min(1e6, $0 / each)) } ?? 0, secondsPerEvaluation: each)
      switch found.optimizer {
      case .bayesian: self.init(name: .bayesian, reason: found.reason)
      case .evolution: self.init(name: .evolution, reason: found.reason)
      case .random: self.init(name: .random, reason: found.reason)
      }
    }
  }
}
