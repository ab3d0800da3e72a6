import Calibration
import Foundation
import LanguageModels
import Reformation
import Search
import Subnets

/// The genomes that a search begins with: one width for all layers, and allocations by error curves.
struct FirstPopulation {
  let evaluator: CandidateEvaluator
  let statistics: [any Statistics]
  let metric: ErrorCurves.Metric
  /// Error curves of each score on each calibration, where widths are each layer's own and there is repair.
  private let curves: [Choice: [ModuleCurve]]

  private struct Choice: Hashable {
    let score: String
    let calibration: String
  }

  /// - Parameter progress: called before the curves of each choice, and may throw to end the work.
  init(
    evaluator: CandidateEvaluator, statistics: [any Statistics], metric: ErrorCurves.Metric,
    progress: (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws {
    self.evaluator = evaluator
    self.statistics = statistics
    self.metric = metric
    let bound = evaluator.bound
    var curves: [Choice: [ModuleCurve]] = [:]
    if bound.space.layers == .each, evaluator.repaired.repair == .leastSquares {
      // Of few samples no curves are made: those of the most will do.
      let names = bound.calibrations.map { BoundSpace.statistics($0, samples: bound.space.samples.max()) }
      for (name, calibration) in zip(names, bound.calibrations) {
        guard let statistics = statistics.first(where: { $0.name == name }) else { continue }
        for score in bound.space.allScores {
          let before = curves.count
          let all = names.count * bound.space.allScores.count
          curves[Choice(score: score, calibration: calibration)] = try ErrorCurves.curves(
            evaluator.repaired,
            .init(score: score, calibration: statistics.name, queries: bound.space.attention.queries), statistics,
            metric: metric, progress: { try progress(before * $1 + $0, all * $1) },
            widths: { (bound.widths(of: 2 * $0), bound.widths(of: 2 * $0 + 1)) })
        }
      }
    }
    self.curves = curves
  }

  /// What the error curves promise of a candidate, in the unit of the metric; `nil` where there are none.
  func predict(_ genes: BoundSpace.Genes) -> Double? {
    curves[Choice(score: genes.score, calibration: genes.calibration)].map {
      ErrorCurves.error($0, genes.widths)
    }
  }

  /// Whether error curves are to be had, and in the metric of the loss.
  static func needsGradients(_ settings: SearchSettings, _ bound: BoundSpace) -> Bool {
    settings.metric == .loss && settings.repair == RepairMode.leastSquares.rawValue && bound.space.layers == .each
  }

  private var bound: BoundSpace { evaluator.bound }
  private var configuration: ModelConfiguration { bound.configuration }

  /// Seeds for subnets of at most the given block parameters, in the order in which they are evaluated: of the most promising
  /// choice of score and calibration the allocations by error curves, uniform ones, and other samples and dampings; then by turns
  /// the trends that its curves may miss, and the other choices.
  func genomes(budgets: [Int], limit: Int) -> [(genome: Genome, origin: String)] {
    guard !budgets.isEmpty else { return [] }
    let middle = budgets[budgets.count / 2]
    let choices = choices(budget: middle)
    guard let main = choices.first else { return [] }
    let mainCurves = curves[main] ?? []
    var seeds: [(genome: Genome, origin: String)] = []
    for budget in budgets {
      if let widths = allocation(mainCurves, budget: budget) { add(widths, main, "curve", to: &seeds) }
    }
    for budget in budgets {
      for widths in uniform(budget: budget) { add(widths, main, "uniform", to: &seeds) }
    }
    if let first = seeds.first { seeds += variants(of: first.genome).map { ($0, "choice") } }
    let trends = CurveWarp.steps.compactMap { allocation($0.apply(mainCurves), budget: middle) }
    let others = choices.dropFirst().flatMap { choice in
      // Of several budgets those in the middle of the list.
      budgets.indices.filter { budgets.count <= 2 || $0 % 3 == 1 }.compactMap { place in
        allocation(curves[choice] ?? [], budget: budgets[place]).map { (choice, $0) }
      }
    }
    for place in 0..<max(trends.count, others.count) {
      if place < trends.count { add(trends[place], main, "warp", to: &seeds) }
      if place < others.count { add(others[place].1, others[place].0, "curve", to: &seeds) }
    }
    return Array(seeds.prefix(limit))
  }

  /// Scores on all calibration text together where that is a choice, then on each set; the one whose curves promise least first.
  private func choices(budget: Int) -> [Choice] {
    let whole = bound.calibrations.contains(BoundSpace.mix) ? BoundSpace.mix : bound.calibrations.first
    let all = bound.calibrations.flatMap { calibration in
      bound.space.allScores.map { Choice(score: $0, calibration: calibration) }
    }
    let ranked = all.enumerated().map { place, choice in
      let error = curves[choice].flatMap { curves in
        allocation(curves, budget: budget).map { ErrorCurves.error(curves, $0) }
      }
      return (choice: choice, key: (choice.calibration == whole ? 0 : 1, error ?? .infinity, place))
    }
    return ranked.sorted { $0.key < $1.key }.map(\.choice)
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

  private func add(
    _ widths: [LayerWidths], _ choice: Choice, _ origin: String,
    to seeds: inout [(genome: Genome, origin: String)]
  ) {
    // Where the damping is a gene, the choice next to the one that held-out tokens prefer.
    let preferred = log(evaluator.repaired.damping)
    let genes = BoundSpace.Genes(
      widths: widths, score: choice.score, calibration: choice.calibration, samples: bound.space.samples.max(),
      damping: bound.space.damping.min { abs(log($0) - preferred) < abs(log($1) - preferred) })
    guard let genome = bound.genome(genes), !seeds.contains(where: { $0.genome == genome }) else { return }
    seeds.append((genome, origin))
  }

  private func allocation(_ curves: [ModuleCurve], budget: Int) -> [LayerWidths]? {
    curves.isEmpty ? nil : ErrorCurves.widths(curves, configuration, budget: budget)
  }
}
