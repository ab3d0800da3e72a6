import Calibration
import Foundation
import LanguageModels
import Reformation
import Runtime
import Search
import Subnets

/// The genomes that a search begins with: one width for all layers, and allocations by error curves.
struct FirstPopulation {
  /// In the order in which they are evaluated.
  private(set) var seeds: [(genome: Genome, origin: String)] = []
  private let evaluator: CandidateEvaluator
  private var curves: ChoiceCurves

  private typealias Choice = ChoiceCurves.Choice

  /// - Parameters:
  ///   - budgets: block parameters of the seeds at most, the largest first.
  ///   - limit: seeds at most.
  ///   - evaluations: that the search, with what it has done already, will come to; `nil` where that is not known. Curves of
  ///     choices that it would not come to are not made.
  ///   - monitor: hears of the layers whose error curves are done.
  init(
    evaluator: CandidateEvaluator, statistics: [any Statistics], metric: ErrorCurves.Metric, budgets: [Int], limit: Int,
    evaluations: Int?, monitor: Monitor = .silent
  ) throws {
    self.evaluator = evaluator
    let middle = budgets[budgets.count / 2]
    curves = try ChoiceCurves(
      evaluator: evaluator, statistics: statistics, metric: metric, budget: middle, monitor: monitor)
    addMain(budgets)
    if evaluations.map({ $0 > min(seeds.count, limit) }) ?? true {
      try curves.complete(monitor: monitor)
      addOthers(budgets, middle)
    }
    seeds = Array(seeds.prefix(limit))
  }

  /// What the error curves promise of a candidate, in the unit of the metric; `nil` where there are none.
  func predict(_ genes: BoundSpace.Genes) -> Double? {
    curves[Choice(score: genes.score, calibration: genes.calibration)].map {
      ErrorCurves.error($0, genes.widths)
    }
  }

  /// Whether error curves are to be had, and in the metric of the loss.
  static func needsGradients(_ settings: SearchSettings, _ bound: BoundSpace) -> Bool {
    settings.curveMetric == .loss && settings.repair == .nested && bound.space.layers == .each
  }

  private var bound: BoundSpace { evaluator.bound }
  private var configuration: ModelConfiguration { bound.configuration }

  /// Of the most promising choice of score and calibration the allocations by error curves, uniform ones, and other samples and
  /// dampings.
  private mutating func addMain(_ budgets: [Int]) {
    let allocations = budgets.compactMap { allocation(curves[curves.main], budget: $0) }
    for widths in allocations { add(widths, curves.main, "curve") }
    for widths in budgets.flatMap(uniform) { add(widths, curves.main, "uniform") }
    if let first = seeds.first { seeds += variants(of: first.genome).map { ($0, "choice") } }
  }

  /// By turns the trends that the curves of the most promising choice may miss, and the other choices.
  private mutating func addOthers(_ budgets: [Int], _ middle: Int) {
    let main = curves[curves.main] ?? []
    let trends = CurveWarp.steps.compactMap { allocation($0.apply(main), budget: middle) }
    let choices = curves.ranked { [self] curves in
      allocation(curves, budget: middle).map { ErrorCurves.error(curves, $0) }
    }
    let others = choices.dropFirst().flatMap { choice in
      // Of several budgets those in the middle of the list.
      budgets.indices.filter { budgets.count <= 2 || $0 % 3 == 1 }.compactMap { place in
        allocation(curves[choice], budget: budgets[place]).map { (choice, $0) }
      }
    }
    for place in 0..<max(trends.count, others.count) {
      if place < trends.count { add(trends[place], curves.main, "warp") }
      if place < others.count { add(others[place].1, others[place].0, "curve") }
    }
  }

  /// The genome with each other choice of samples and damping.
  private func variants(of genome: Genome) -> [Genome] {
    bound.design.variables.enumerated().flatMap { place, variable in
      guard ["samples", "damping"].contains(variable.module) else { return [Genome]() }
      return (variable.lowest...variable.highest).filter { $0 != genome[place] }.map { value in
        var other = genome
        other[place] = value
        return other
      }
    }
  }

  /// One width for all layers: both roundings of the KV groups, the rest of the budget for the MLP.
  ///
  /// Empty where the layers of the model differ or the budget cannot be met.
  func uniform(budget: Int) -> [[LayerWidths]] {
    guard configuration.isUniform, let shape = configuration.layers.first else { return [] }
    let share = Double(budget) / Double(configuration.blockParameters)
    let thinned = Double(shape.queriesPerGroup + 1) / Double(shape.queries(keeping: bound.space.attention.queries) + 1)
    let ideal = min(share * thinned, 1) * Double(shape.kvHeads)
    let roundings = Set([Int(ideal.rounded(.down)), Int(ideal.rounded(.up))]).filter {
      (1...shape.kvHeads).contains($0)
    }
    return roundings.sorted(by: >).compactMap { groups in
      let queries = shape.queries(keeping: bound.space.attention.queries)
      let attention = groups * configuration.parametersPerKVGroup(queriesPerGroup: queries)
      let layer = budget / configuration.layerCount - configuration.fixedParametersPerLayer - attention
      let step = bound.space.mlp.step ?? SearchSpace.WidthRule.automaticStep(width: shape.mlpChannels)
      let affordable = min(shape.mlpChannels, layer / configuration.parametersPerMLPChannel)
      let channels = shape.mlpChannels - (shape.mlpChannels - affordable + step - 1) / step * step
      guard channels > 0 else { return nil }
      return Array(
        repeating: LayerWidths(groups: groups, channels: channels, queries: bound.space.attention.queries),
        count: configuration.layerCount)
    }
  }

  private mutating func add(_ widths: [LayerWidths], _ choice: Choice, _ origin: String) {
    // Where the damping is a gene, the choice next to the one that held-out tokens prefer.
    let preferred = log(evaluator.repaired.damping)
    let genes = BoundSpace.Genes(
      widths: widths, score: choice.score, calibration: choice.calibration, samples: bound.space.samples.max(),
      damping: bound.space.damping.min { abs(log($0) - preferred) < abs(log($1) - preferred) })
    guard let genome = bound.genome(genes), !seeds.contains(where: { $0.genome == genome }) else { return }
    seeds.append((genome, origin))
  }

  private func allocation(_ curves: [ModuleCurve]?, budget: Int) -> [LayerWidths]? {
    guard let curves, !curves.isEmpty else { return nil }
    return ErrorCurves.widths(curves, configuration, budget: budget)
  }
}
