import Calibration
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

  init(evaluator: CandidateEvaluator, statistics: [any Statistics], metric: ErrorCurves.Metric) throws {
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
          curves[Choice(score: score, calibration: calibration)] = try ErrorCurves.curves(
            evaluator.repaired, .init(score: score, calibration: statistics.name), statistics, metric: metric
          ) { (bound.widths(of: 2 * $0), bound.widths(of: 2 * $0 + 1)) }
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

  /// Seeds for subnets of at most the given block parameters, in the order in which they are evaluated.
  func genomes(budgets: [Int], limit: Int) -> [(genome: Genome, origin: String)] {
    let choices = bound.space.allScores.flatMap { score in bound.calibrations.map { (score, $0) } }
    var seeds: [(genome: Genome, origin: String)] = []
    for (number, choice) in choices.enumerated() {
      let curves = curves[Choice(score: choice.0, calibration: choice.1)] ?? []
      for (place, budget) in budgets.enumerated() {
        // The first choice answers every budget, the others those in the middle of the list.
        if number > 0, budgets.count > 2, place % 3 != 1 { continue }
        if let widths = allocation(curves, budget: budget) {
          add(widths, choice, "curve", to: &seeds)
        }
        if number == 0 {
          for widths in uniform(budget: budget) { add(widths, choice, "uniform", to: &seeds) }
        }
      }
    }
    // What is left of the first population tries the trends that the curves may miss.
    if let choice = choices.first, !budgets.isEmpty,
      let curves = curves[Choice(score: choice.0, calibration: choice.1)]
    {
      for warp in CurveWarp.steps {
        if let widths = allocation(warp.apply(curves), budget: budgets[budgets.count / 2]) {
          add(widths, choice, "warp", to: &seeds)
        }
      }
    }
    // One candidate of each other choice of samples and damping, as the first one.
    if let first = seeds.first {
      for (variable, place) in bound.design.variables.indices.map({ (bound.design.variables[$0], $0) })
      where ["samples", "damping"].contains(variable.module) {
        for value in variable.lowest...variable.highest where value != first.genome[place] {
          var genome = first.genome
          genome[place] = value
          seeds.insert((genome, "choice"), at: min(seeds.count, 4))
        }
      }
    }
    return Array(seeds.prefix(limit))
  }

  /// One width for all layers: both roundings of the KV groups, the rest of the budget for the MLP.
  ///
  /// Empty where the layers of the model differ or the budget cannot be met.
  func uniform(budget: Int) -> [[LayerWidths]] {
    guard configuration.isUniform, let shape = configuration.layers.first else { return [] }
    let share = Double(budget) / Double(configuration.blockParameters)
    let ideal = share * Double(shape.kvHeads)
    let roundings = Set([Int(ideal.rounded(.down)), Int(ideal.rounded(.up))]).filter {
      (1...shape.kvHeads).contains($0)
    }
    return roundings.sorted(by: >).compactMap { groups in
      let attention = groups * configuration.parametersPerKVGroup(queriesPerGroup: shape.queriesPerGroup)
      let layer = budget / configuration.layerCount - configuration.fixedParametersPerLayer - attention
      let step = bound.space.mlp.step ?? SearchSpace.WidthRule.automaticStep(width: shape.mlpChannels)
      let affordable = min(shape.mlpChannels, layer / configuration.parametersPerMLPChannel)
      let channels = shape.mlpChannels - (shape.mlpChannels - affordable + step - 1) / step * step
      guard channels > 0 else { return nil }
      return Array(repeating: LayerWidths(groups: groups, channels: channels), count: configuration.layerCount)
    }
  }

  private func add(
    _ widths: [LayerWidths], _ choice: (String, String), _ origin: String,
    to seeds: inout [(genome: Genome, origin: String)]
  ) {
    let genes = BoundSpace.Genes(
      widths: widths, score: choice.0, calibration: choice.1, samples: bound.space.samples.max())
    guard let genome = bound.genome(genes), !seeds.contains(where: { $0.genome == genome }) else { return }
    seeds.append((genome, origin))
  }

  private func allocation(_ curves: [ModuleCurve], budget: Int) -> [LayerWidths]? {
    curves.isEmpty ? nil : ErrorCurves.widths(curves, configuration, budget: budget)
  }
}
