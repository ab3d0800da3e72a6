import LanguageModels
import Reformation
import Runtime
import Subnets

/// Error curves of the choices of score and calibration, where widths are each layer's own and there is repair.
///
/// A search finds the most promising choice on a few layers and makes its curves on all of them; those of the others are
/// made if the search is long enough to come to their seeds. Where no candidates are compared all curves are made.
public struct ChoiceCurves: Sendable {
  public typealias Choice = SubnetFactory<LanguageModel>.Choice

  /// What curves ask for at a budget.
  public struct Solution: Sendable {
    public let choice: Choice
    public let widths: [LayerWidths]
    /// The error of all modules, in the unit of the metric: nats for that of the loss.
    public let predictedError: Double
  }

  /// The choice whose curves promise the least error: of the scores on all calibration text together if that is a choice.
  public private(set) var main: Choice
  private let evaluator: CandidateEvaluator
  private let metric: ErrorCurves.Metric
  /// Takes the place of the parameters; `nil` where these are what a budget is of.
  private let timing: Timing?
  /// By layer; attention, then MLP.
  private var curves: [Choice: [Int: [ModuleCurve]]] = [:]
  /// Layers done and to do, of all choices.
  private var (done, total) = (0, 0)

  /// Layers on which choices compete, unless said otherwise.
  public static let contestLayers = 6

  /// - Parameters:
  ///   - evaluator: its statistics have the gradients that the metric needs.
  ///   - timing: what solutions spend in the place of parameters.
  public init(_ evaluator: CandidateEvaluator, metric: ErrorCurves.Metric, timing: Timing? = nil) {
    let bound = evaluator.bound
    (self.evaluator, self.metric, self.timing) = (evaluator, metric, timing)
    main = Choice(
      score: bound.space.allScores[0],
      calibration: bound.calibrations.contains(BoundSpace.mix) ? BoundSpace.mix : bound.calibrations[0])
  }

  // MARK: - Making

  /// Finds the most promising choice and makes its curves.
  ///
  /// - Parameters:
  ///   - budget: block parameters at which choices compete.
  ///   - count: layers on which they do, evenly spread.
  public mutating func findMain(
    budget: Int, contestLayers count: Int = Self.contestLayers, _ monitor: Monitor = .silent
  ) throws {
    guard areThere else { return }
    let configuration = evaluator.model.configuration
    let layers = configuration.layerCount
    let contenders = evaluator.bound.space.allScores.map { Choice(score: $0, calibration: main.calibration) }
    total = layers
    if contenders.count > 1 {
      let count = min(layers, count)
      let contest = (0..<count).map { (2 * $0 + 1) * layers / (2 * count) }
      total = contenders.count * count + layers - count
      for contender in contenders { try make(contender, contest, monitor) }
      // Each of these layers gets as much as it would if it were all.
      let share = Double(budget) / Double(configuration.blockParameters)
      let parameters = contest.reduce(0) { $0 + configuration.parameters(of: configuration.layers[$1]) }
      let modules = Int(share * Double(parameters)) - count * configuration.fixedParametersPerLayer
      let errors = contenders.map { contender in
        let curves = self[contender, layers: contest]
        return WidthAllocation.allocate(curves, budget: modules).map { levels in
          zip(curves, levels).reduce(0) { $0 + $1.0.errors[$1.1] }
        }
      }
      let best = contenders.indices.min { (errors[$0] ?? .infinity, $0) < (errors[$1] ?? .infinity, $1) }
      main = contenders[best ?? 0]
    }
    try make(main, Array(0..<layers), monitor)
  }

  /// Makes the curves of all choices.
  public mutating func complete(_ monitor: Monitor = .silent) throws {
    guard areThere else { return }
    let layers = Array(0..<evaluator.model.configuration.layerCount)
    total = done + all.reduce(0) { $0 + layers.count - (curves[$1]?.count ?? 0) }
    for choice in all { try make(choice, layers, monitor) }
  }

  public static func exist(_ bound: BoundSpace, _ repair: Repair) -> Bool {
    bound.space.layers == .each && repair == .nested
  }

  private var areThere: Bool { Self.exist(evaluator.bound, evaluator.repaired.repair) }

  private mutating func make(_ choice: Choice, _ layers: [Int], _ monitor: Monitor) throws {
    let bound = evaluator.bound
    // Of few samples no curves are made: those of the most will do.
    let name = BoundSpace.statistics(choice.calibration, samples: bound.space.samples.max())
    let missing = layers.filter { curves[choice]?[$0] == nil }
    guard !missing.isEmpty, let statistics = evaluator.statistics.first(where: { $0.name == name }) else { return }
    let made = try ErrorCurves.curves(
      evaluator.ranking,
      .init(
        score: choice.score, calibration: name, queries: bound.space.attention.queries,
        expertChannels: bound.space.mlp.expertChannels),
      statistics, metric: metric, layers: missing,
      monitor: monitor.steps(from: done, of: total),
      widths: { (bound.widths(of: 2 * $0), bound.widths(of: 2 * $0 + 1)) })
    for (place, layer) in missing.enumerated() {
      curves[choice, default: [:]][layer] = Array(made[2 * place..<2 * place + 2])
    }
    done += missing.count
  }

  // MARK: - Asking

  /// The widths of least error of a choice.
  ///
  /// - Parameters:
  ///   - budget: block parameters at most. With `timing`: as fast as the widths of that size, or as its limit says.
  ///   - warp: what is done to the curves before.
  /// - Returns: `nil` where there are no curves, or even the narrowest widths exceed the budget.
  public func solution(of choice: Choice, budget: Int, warp: CurveWarp? = nil) -> Solution? {
    guard let curves = self[choice], !curves.isEmpty else { return nil }
    let warped = warp?.apply(curves) ?? curves
    let sized = {
      ErrorCurves.widths(
        warped, evaluator.model.configuration, budget: budget, correlation: evaluator.correlation)
    }
    let found = timing?.widths(warped, sized, correlation: evaluator.correlation) ?? sized()
    guard let widths = found else { return nil }
    return Solution(
      choice: choice, widths: widths, predictedError: ErrorCurves.error(curves, widths, evaluator.correlation))
  }

  /// The solution of the choice whose curves promise least at a budget.
  public func solution(budget: Int) -> Solution? {
    all.compactMap { solution(of: $0, budget: budget) }.min { $0.predictedError < $1.predictedError }
  }

  /// What the curves promise of a candidate, in the unit of the metric; `nil` where there are none.
  public func predict(_ genes: BoundSpace.Genes) -> Double? {
    self[Choice(score: genes.score, calibration: genes.calibration)].map {
      ErrorCurves.error($0, genes.widths, evaluator.correlation)
    }
  }

  /// The sum of the errors of all modules, if `predict` counts more; `nil` otherwise.
  public func sum(_ genes: BoundSpace.Genes) -> Double? {
    if evaluator.correlation == nil { return nil }
    return self[Choice(score: genes.score, calibration: genes.calibration)].map { ErrorCurves.error($0, genes.widths) }
  }

  /// All choices, the most promising at a budget first. Where curves are missing, in the order of the space.
  public func ranked(budget: Int) -> [Choice] {
    let places = all.enumerated().map { place, choice in
      let known = solution(of: choice, budget: budget)?.predictedError ?? .infinity
      return (choice, (choice == main ? 0 : choice.calibration == main.calibration ? 1 : 2, known, place))
    }
    return places.sorted { $0.1 < $1.1 }.map(\.0)
  }

  /// Two curves a layer; `nil` where they were not made.
  public subscript(choice: Choice) -> [ModuleCurve]? {
    let layers = evaluator.model.configuration.layerCount
    guard let known = curves[choice], known.count == layers else { return nil }
    return self[choice, layers: Array(0..<layers)]
  }

  private subscript(choice: Choice, layers layers: [Int]) -> [ModuleCurve] {
    layers.flatMap { curves[choice]?[$0] ?? [] }
  }

  private var all: [Choice] {
    let space = evaluator.bound.space
    return evaluator.bound.calibrations.flatMap { calibration in
      space.allScores.map { Choice(score: $0, calibration: calibration) }
    }
  }
}

extension CandidateEvaluator {
  /// The genes of a solution, its widths on the grid of the space.
  public func genes(_ solution: ChoiceCurves.Solution) -> BoundSpace.Genes {
    let genes = BoundSpace.Genes(
      widths: solution.widths, score: solution.choice.score, calibration: solution.choice.calibration)
    return bound.genome(genes).map(bound.genes) ?? genes
  }
}
