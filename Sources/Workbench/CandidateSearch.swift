import Calibration
import Evaluation
import Importance
import LinearAlgebra
import Reformation
import Runtime
import Search
import Subnets

/// By what widths are allocated where nothing is measured.
public enum Allocation: String, Sendable, CaseIterable, Codable {
  /// The sum of the modules' errors (`WidthAllocation`).
  case curves
  /// The same with what the errors of several modules have together (`QuadraticLoss`). Needs curves in the metric of the
  /// loss and one more backward pass.
  case quadratic
}

/// How candidates are found: what a search and the method `ours` let people choose beside model, text, space and size.
public struct SearchPlan: Sendable, Equatable {
  /// Names of the objectives (`ObjectiveRegistry`), the most important first.
  public var objectives = ["kl", "params"]
  /// What foretells times, for the objective `latency` and for a limit of time; `nil` without a table.
  public var latency: Latency?
  /// Tasks that candidates are measured on.
  public var tasks: [DevelopmentTask] = []
  /// Whether the budget of the space is one of time.
  public var limitsTime = false
  public var optimizer = SearchOptimizer.automatic
  /// Candidates of a generation.
  public var population = 16
  /// Without a target: the share of the block parameters that the nearest size of the first population is moved to.
  public var aim: Double?
  /// Whether the candidates of a generation compete on growing numbers of windows.
  public var hasRungs = false
  /// Of the weights that candidates are judged with.
  public var repair = Repair.nested
  /// What makes the errors of modules comparable in the curves of the first population.
  public var curveMetric = ErrorCurves.Metric.loss
  /// By what the first candidates are allocated, and their loss is foretold.
  public var allocation = Allocation.curves
  /// Rounds of removal (`Workbench.evaluator`): 1 knows the dense model alone. `nil` is 1, too.
  public var rounds: Int?
  /// Calibration windows that gradients are taken on, of all sets together.
  public var gradientWindows = GradientStore.windows
  /// In which candidates are judged.
  public var precision = Precision.single
  public var seed: UInt64 = 0

  public init() {}

  /// Whether what errors have together is asked for: in the metric of the loss it is known.
  public func correlatesErrors(_ bound: BoundSpace) -> Bool {
    allocation == .quadratic && curveMetric == .loss && ChoiceCurves.exist(bound, repair)
  }

  /// The objectives that may be named.
  public var knownObjectives: [any Objective] { ObjectiveRegistry.all(with: latency, tasks: tasks) }

  /// What is measured of candidates.
  public var measuredObjectives: [any Objective] { ObjectiveRegistry.measured(with: latency, tasks: tasks) }

  /// Whether anything is known of other networks than the dense model.
  public var hasRounds: Bool { (rounds ?? 1) > 1 }
}

extension Workbench {
  /// λ where nothing is repaired: no weight depends on it.
  private static let unusedDamping = 0.01

  /// Judges the candidates of a space on the held-out windows.
  ///
  /// - Parameters:
  ///   - plan: its repair, precision, metric of error curves and windows for gradients.
  ///   - makesCurves: whether error curves will be made.
  ///   - windows: how many of the held-out windows; `nil` for all.
  public func evaluator(
    _ bound: BoundSpace, _ plan: SearchPlan, makesCurves: Bool = true, windows: Int? = nil
  ) throws -> CandidateEvaluator {
    let scores = try bound.space.allScores.compactMap { try ImportanceRegistry.named($0).gradients }
    let needed = makesCurves && ChoiceCurves.exist(bound, plan.repair) ? plan.curveMetric.gradients : []
    let statistics = try statistics(for: bound, gradients: needed.union(scores), windows: plan.gradientWindows)
    let damping = try plan.repair == .none ? knownDamping ?? Self.unusedDamping : damping(of: statistics.last)
    var evaluator = try CandidateEvaluator(
      model, bound, statistics, reference: reference(plan.precision, windows: windows), repair: plan.repair,
      damping: damping, dense: dense)
    evaluator.objectives = plan.measuredObjectives
    if makesCurves, plan.correlatesErrors(bound) { evaluator.correlation = try correlation(evaluator, plan) }
    return evaluator
  }
}

/// A search in front of its first candidate: what judges candidates, and who proposes them.
public struct CandidateSearch: Sendable {
  public let evaluator: CandidateEvaluator
  public let population: FirstPopulation
  /// Block parameters that the first population aims at, the largest first.
  public let sizes: [Int]
  public let chosen: ChosenOptimizer
  /// Has not been asked yet.
  public let optimizer: any Optimizer
  private let plan: SearchPlan

  /// Makes the first population and chooses the optimiser.
  ///
  /// - Parameters:
  ///   - space: the evaluator's design space with its budget.
  ///   - length: candidates, those of earlier runs included, and seconds.
  ///   - known: the optimiser that an earlier run chose.
  public static func prepare(
    _ evaluator: CandidateEvaluator, _ space: BudgetedSpace, _ plan: SearchPlan, _ length: SearchBudget,
    known: ChosenOptimizer? = nil, _ monitor: Monitor = .silent
  ) throws -> CandidateSearch {
    let bound = evaluator.bound
    let timing = plan.timing(space)
    let sizes =
      timing?.limit.map { [Timing.size(of: $0, in: space, bound)] }
      ?? sizes(space, aim: plan.aim.map { Int($0 * Double(bound.configuration.blockParameters)) })
    let population = try FirstPopulation.make(
      evaluator, ChoiceCurves(evaluator, metric: plan.curveMetric, timing: timing), budgets: sizes,
      limit: plan.population, evaluations: length.evaluations, monitor)
    let chosen =
      known
      ?? ChosenOptimizer(
        plan.optimizer, bound.design, objectives: plan.objectives.count, hasRungs: plan.hasRungs,
        evaluations: length.evaluations,
        seconds: length.seconds, parameters: bound.configuration.totalParameters,
        tokens: evaluator.reference.windows.tokens.count + (evaluator.examiner?.tokens ?? 0))
    let optimizer = try chosen.name.optimizer(
      bound, space, objectives: ObjectiveList(plan.objectives, known: plan.knownObjectives),
      population: plan.population, seed: plan.seed,
      initial: population.seeds,
      predict: { population.predict(bound.genes($0)) })
    return CandidateSearch(
      evaluator: evaluator, population: population, sizes: sizes, chosen: chosen, optimizer: optimizer, plan: plan)
  }

  /// Sizes that the first population aims at, the largest first: the one, or `sizeCount` spread evenly over the range with
  /// the nearest one moved to `aim`.
  static func sizes(_ space: BudgetedSpace, aim: Int? = nil) -> [Int] {
    let (low, high) = (space.allowed.lowerBound, space.allowed.upperBound)
    if space.budget.useWholeBudget { return [high] }
    var even = (1...sizeCount).map { high - (high - low) * $0 / sizeCount }
    guard let aim, let nearest = even.indices.min(by: { abs(even[$0] - aim) < abs(even[$1] - aim) }) else {
      return even
    }
    even[nearest] = aim
    return even
  }

  public static let sizeCount = 6

  public struct Judged: Sendable {
    public let candidate: Candidate
    public let genes: BoundSpace.Genes
    public let comparison: Comparison
  }

  /// Searches in memory: what a search of a study does, without the study. The objectives are the divergence and the block
  /// parameters.
  ///
  /// - Returns: all candidates, in the order in which they were asked for.
  public func run(evaluations: Int, _ monitor: Monitor = .silent) throws -> [Judged] {
    var optimizer = optimizer
    var judged: [Judged] = []
    while judged.count < evaluations {
      let batch = try optimizer.askBatch(limit: min(plan.population, evaluations - judged.count))
      if batch.isEmpty { break }
      let genes = batch.map { evaluator.bound.genes($0.genome) }
      let (before, after) = (judged.count, judged.count + batch.count)
      let share = Double(before) / Double(evaluations)...Double(after) / Double(evaluations)
      let found = try evaluator.compare(genes, monitor: monitor.during(.init(.candidates)).within(share))
      for (place, comparison) in found.comparisons.enumerated() {
        judged.append(Judged(candidate: batch[place], genes: genes[place], comparison: comparison))
        let size = evaluator.configuration(genes[place]).blockParameters
        try optimizer.tell(batch[place].ordinal, objectives: [comparison.divergence, Double(size)])
      }
    }
    return judged
  }
}
