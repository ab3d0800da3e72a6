import Calibration
import LanguageModels
import Reformation
import Runtime
import Subnets

/// Error curves of the choices of score and calibration, where widths are each layer's own and there is repair.
///
/// The most promising choice is found on a few layers and gets the curves of all; the others get theirs when asked for.
struct ChoiceCurves {
  struct Choice: Hashable {
    let score: String
    let calibration: String
  }

  /// The choice whose curves promise the least error: of the scores on all calibration text together where that is a choice.
  private(set) var main: Choice
  private let evaluator: CandidateEvaluator
  private let statistics: [any Statistics]
  private let metric: ErrorCurves.Metric
  /// By layer; attention, then MLP.
  private var curves: [Choice: [Int: [ModuleCurve]]] = [:]
  /// Layers done and to do, of all choices.
  private var (done, total) = (0, 0)

  /// Layers on which choices compete, unless said otherwise.
  static let contestLayers = 6

  /// - Parameters:
  ///   - budget: block parameters at which choices compete.
  ///   - contestLayers: on how many layers, evenly spread.
  ///   - monitor: hears of the layers that are done.
  init(
    evaluator: CandidateEvaluator, statistics: [any Statistics], metric: ErrorCurves.Metric, budget: Int,
    contestLayers: Int = Self.contestLayers, monitor: Monitor
  ) throws {
    let bound = evaluator.bound
    (self.evaluator, self.statistics, self.metric) = (evaluator, statistics, metric)
    let whole = bound.calibrations.contains(BoundSpace.mix) ? BoundSpace.mix : bound.calibrations[0]
    let contenders = bound.space.allScores.map { Choice(score: $0, calibration: whole) }
    main = contenders[0]
    guard areThere else { return }
    let configuration = evaluator.model.configuration
    let layers = configuration.layerCount
    if contenders.count > 1 {
      let count = min(layers, contestLayers)
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
    } else {
      total = layers
    }
    try make(main, Array(0..<layers), monitor)
  }

  /// Makes the curves of all choices.
  mutating func complete(monitor: Monitor) throws {
    guard areThere else { return }
    let layers = Array(0..<evaluator.model.configuration.layerCount)
    total = done + all.reduce(0) { $0 + layers.count - (curves[$1]?.count ?? 0) }
    for choice in all { try make(choice, layers, monitor) }
  }

  /// All choices, the most promising first. Where curves are missing, in the order of the space.
  func ranked(error: ([ModuleCurve]) -> Double?) -> [Choice] {
    let places = all.enumerated().map { place, choice in
      let known = self[choice].flatMap(error) ?? .infinity
      return (choice, (choice == main ? 0 : choice.calibration == main.calibration ? 1 : 2, known, place))
    }
    return places.sorted { $0.1 < $1.1 }.map(\.0)
  }

  /// Two curves a layer; `nil` where they were not made.
  subscript(choice: Choice) -> [ModuleCurve]? {
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

  private var areThere: Bool {
    evaluator.bound.space.layers == .each && evaluator.repaired.repair == .nested
  }

  private mutating func make(_ choice: Choice, _ layers: [Int], _ monitor: Monitor) throws {
    let bound = evaluator.bound
    // Of few samples no curves are made: those of the most will do.
    let name = BoundSpace.statistics(choice.calibration, samples: bound.space.samples.max())
    let missing = layers.filter { curves[choice]?[$0] == nil }
    guard !missing.isEmpty, let statistics = statistics.first(where: { $0.name == name }) else { return }
    let made = try ErrorCurves.curves(
      evaluator.repaired, .init(score: choice.score, calibration: name, queries: bound.space.attention.queries),
      statistics,
      metric: metric, layers: missing, monitor: monitor.steps(from: done, of: total),
      widths: { (bound.widths(of: 2 * $0), bound.widths(of: 2 * $0 + 1)) })
    for (place, layer) in missing.enumerated() {
      curves[choice, default: [:]][layer] = Array(made[2 * place..<2 * place + 2])
    }
    done += missing.count
  }
}
