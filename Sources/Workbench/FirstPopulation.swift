import Foundation
import Reformation
import Runtime
import Search
import Subnets

/// The genomes that a search begins with: one width for all layers, and allocations by error curves.
public struct FirstPopulation: Sendable {
  /// In the order in which they are evaluated.
  public private(set) var seeds: [(genome: Genome, origin: String)] = []
  private let evaluator: CandidateEvaluator
  private var curves: ChoiceCurves

  private typealias Choice = ChoiceCurves.Choice

  /// Makes the error curves and takes the seeds from them.
  ///
  /// - Parameters:
  ///   - curves: without any made yet.
  ///   - budgets: block parameters of the seeds at most, the largest first.
  ///   - limit: seeds at most.
  ///   - evaluations: that the search, with what it has done already, will come to; `nil` if that is not known. Curves of
  ///     choices that it would not come to are not made.
  public static func make(
    _ evaluator: CandidateEvaluator, _ curves: ChoiceCurves, budgets: [Int], limit: Int, evaluations: Int?,
    _ monitor: Monitor = .silent
  ) throws -> FirstPopulation {
    var population = FirstPopulation(evaluator: evaluator, curves: curves)
    let middle = budgets[budgets.count / 2]
    try population.curves.findMain(budget: middle, monitor)
    population.addMain(budgets)
    if evaluations.map({ $0 > min(population.seeds.count, limit) }) ?? true {
      try population.curves.complete(monitor)
      population.addOthers(budgets, middle)
    }
    population.seeds = Array(population.seeds.prefix(limit))
    return population
  }

  /// What the error curves promise of a candidate, in the unit of the metric; `nil` if there are none.
  public func predict(_ genes: BoundSpace.Genes) -> Double? { curves.predict(genes) }

  /// The sum of the errors of all modules, if `predict` counts more; `nil` otherwise.
  public func sum(_ genes: BoundSpace.Genes) -> Double? { curves.sum(genes) }

  private var bound: BoundSpace { evaluator.bound }

  /// Of the most promising choice of score and calibration the allocations by error curves, uniform ones, and other samples and
  /// dampings.
  private mutating func addMain(_ budgets: [Int]) {
    let solutions = budgets.compactMap { curves.solution(of: curves.main, budget: $0) }
    for solution in solutions { add(solution.widths, curves.main, "curve") }
    for widths in budgets.flatMap(uniform) { add(widths, curves.main, "uniform") }
    if let first = seeds.first { seeds += variants(of: first.genome).map { ($0, "choice") } }
  }

  /// By turns the trends that the curves of the most promising choice may miss, and the other choices.
  private mutating func addOthers(_ budgets: [Int], _ middle: Int) {
    let trends = CurveWarp.steps.compactMap { curves.solution(of: curves.main, budget: middle, warp: $0) }
    // Of several budgets those in the middle of the list.
    let some = budgets.indices.filter { budgets.count <= 2 || $0 % 3 == 1 }.map { budgets[$0] }
    let others = curves.ranked(budget: middle).dropFirst().flatMap { choice in
      some.compactMap { curves.solution(of: choice, budget: $0) }
    }
    for place in 0..<max(trends.count, others.count) {
      if place < trends.count { add(trends[place].widths, curves.main, "warp") }
      if place < others.count { add(others[place].widths, others[place].choice, "curve") }
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
  public func uniform(budget: Int) -> [[LayerWidths]] {
    let (configuration, rule) = (bound.configuration, bound.space.attention)
    guard configuration.isUniform, let shape = configuration.layers.first else { return [] }
    let share = Double(budget) / Double(configuration.blockParameters)
    let thinned = Double(shape.queriesPerGroup + 1) / Double(shape.queries(keeping: rule.queries) + 1)
    let ideal = min(share * thinned, 1) * Double(shape.kvHeads)
    let roundings = Set([Int(ideal.rounded(.down)), Int(ideal.rounded(.up))]).filter {
      (1...shape.kvHeads).contains($0)
    }
    let step = bound.step(ofMLP: shape.mlpChannels)
    let narrow = configuration.with(expertChannels: bound.space.mlp.expertChannels)
    let allocation = UniformAllocation(narrow, step: step, queries: rule.queries)
    return roundings.sorted(by: >).compactMap { groups in
      allocation.widths(groups: configuration.layers.map { _ in groups }, budget: budget)
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
}
