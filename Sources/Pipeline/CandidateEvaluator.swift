import Calibration
import Evaluation
import Foundation
import Importance
import LanguageModels
import LinearAlgebra
import Reformation
import Runtime
import Search
import Subnets

extension BoundSpace.Genes {
  /// What decides the weights beside the widths.
  var choice: SubnetFactory<LanguageModel>.Choice {
    .init(score: score, calibration: statistics, damping: damping, queries: queries)
  }
}

/// Turns genes into subnets and measures them against the dense model.
struct CandidateEvaluator: Sendable {
  let model: LanguageModel
  let bound: BoundSpace
  let reference: DenseReference
  let repaired: SubnetFactory<LanguageModel>
  let inherited: SubnetFactory<LanguageModel>

  /// What decides the weights of half a layer.
  private struct Part: Hashable {
    let choice: SubnetFactory<LanguageModel>.Choice
    let width: Int
    /// The candidate that does not share the part; 0 for a part that all may share.
    let owner: Int
  }

  /// - Parameters:
  ///   - residual: the model's residual stream behind its last layer on the fitness windows, where it is known. Overwritten.
  ///   - precision: of candidates; `nil` for the one that the settings say.
  init(
    model: LanguageModel, bound: BoundSpace, statistics: [any Statistics], fitness: TokenWindows,
    residual: Matrix<Float>? = nil, settings: SearchSettings, damping: Double, precision: Precision? = nil
  ) throws {
    self.model = model
    self.bound = bound
    reference = try DenseReference(
      model, windows: fitness, residual: residual, precision: precision ?? settings.evaluationPrecision())
    let scores = try Set(bound.space.allScores + ["wanda-sp"]).sorted().map(ImportanceRegistry.named)
    let limit = model.memory.rankedLayers(besideTask: model.configuration.bytesPerLayerTask)
    repaired = SubnetFactory(
      parent: model, scores: scores, statistics: statistics, repair: settings.repair, damping: damping,
      byteLimit: limit)
    inherited = SubnetFactory(rankingAs: repaired, repair: .none, byteLimit: limit / 4)
  }

  /// Measures of each group the candidate that diverges least on the first quarter of the windows; `nil` of one without any.
  ///
  /// - Parameters:
  ///   - repairing: whether their weights are corrected.
  ///   - monitor: hears between half layers of the share that is done.
  func best(
    ofEach groups: [[BoundSpace.Genes]], repairing: Bool, monitor: Monitor
  ) throws -> [(genes: BoundSpace.Genes, measurement: SubnetMeasurement)?] {
    let all = groups.flatMap { $0 }
    let contenders = groups.count { !$0.isEmpty }
    let windows = reference.windows.count
    let first = (windows + 3) / 4
    // Of the whole work, in candidates times windows.
    let heats = Double(all.count * first)
    let work = heats + Double(contenders * (windows - first))
    var found = try compare(
      all, windows: 0..<first, repairing: repairing, monitor: monitor.within(0...heats / max(1, work))
    ).comparisons[...]
    var winners = groups.map { group in
      let own = found.prefix(group.count)
      found = found.dropFirst(group.count)
      return zip(group, own).min { $0.1.divergence < $1.1.divergence }
    }
    if first < windows {
      let further = try compare(
        winners.compactMap { $0?.0 }, windows: first..<windows, repairing: repairing,
        monitor: monitor.within(heats / max(1, work)...1))
      var rest = further.comparisons[...]
      winners = winners.map { winner in winner.map { ($0.0, $0.1.joined(rest.removeFirst())) } }
    }
    return winners.map { winner in winner.map { ($0.0, measurement(of: $0.0, Quality($0.1))) } }
  }

  func subnet(_ genes: BoundSpace.Genes, repairing: Bool = true) throws -> Subnet<LanguageModel> {
    try (repairing ? repaired : inherited).subnet(
      genes.widths, genes.choice)
  }

  /// Measures candidates together, layer by layer.
  ///
  /// Each is measured on the windows of the first rung; those that climb, on the further windows of the next. Without rungs
  /// values do not depend on which candidates are together.
  ///
  /// - Parameters:
  ///   - rungs: estimates from the first windows, where a candidate ends before it has seen all.
  ///   - climbers: which of some estimates go on.
  ///   - monitor: hears between half layers of the share that is done.
  /// - Returns: in the order of the candidates.
  func measure(
    _ candidates: [BoundSpace.Genes], rungs: FidelityRungs, monitor: Monitor,
    climbers: ([SubnetMeasurement]) -> [Int]
  ) throws -> [(measurement: SubnetMeasurement, record: WindowRecord)] {
    try climb(candidates, rungs: rungs, climbers: climbers) { alive, windows in
      let found = try compare(alive.map(\.genes), windows: windows, monitor: monitor)
      return zip(alive, found.comparisons).map { $0.earlier?.joined($1) ?? $1 }
    }
  }

  /// Lets candidates compete on growing numbers of windows.
  ///
  /// - Parameter compare: compares candidates on all windows up to the end of a range. What was found on the windows before
  ///   the range is given.
  func climb(
    _ candidates: [BoundSpace.Genes], rungs: FidelityRungs, climbers: ([SubnetMeasurement]) -> [Int],
    compare: ([(genes: BoundSpace.Genes, earlier: Comparison?)], Range<Int>) throws -> [Comparison]
  ) throws -> [(measurement: SubnetMeasurement, record: WindowRecord)] {
    var comparisons: [Comparison?] = candidates.map { _ in nil }
    func estimates(_ places: [Int]) -> [(measurement: SubnetMeasurement, record: WindowRecord)] {
      places.compactMap { place in
        comparisons[place].map { comparison in
          let record = WindowRecord(comparison)
          return (measurement(of: candidates[place], rungs.estimate(Quality(comparison), record)), record)
        }
      }
    }
    var (alive, done) = (Array(candidates.indices), 0)
    for count in rungs.isTrusted ? rungs.ladder.rungs : [rungs.windows] where !alive.isEmpty {
      let found = try compare(alive.map { (candidates[$0], comparisons[$0]) }, done..<count)
      for (place, comparison) in zip(alive, found) { comparisons[place] = comparison }
      done = count
      if count < rungs.windows { alive = climbers(estimates(alive).map(\.measurement)).map { alive[$0] } }
    }
    return estimates(Array(candidates.indices))
  }

  /// Compares candidates with the dense model, layer by layer.
  ///
  /// - Parameters:
  ///   - windows: which of the fitness windows; `nil` for all.
  ///   - sharing: whether candidates that begin alike are run once as far as they agree.
  ///   - repairing: whether their weights are corrected.
  func compare(
    _ candidates: [BoundSpace.Genes], windows: Range<Int>? = nil, sharing: Bool = true, repairing: Bool = true,
    monitor: Monitor
  ) throws -> (comparisons: [Comparison], work: SharedWork) {
    let factory = repairing ? repaired : inherited
    let isPrepared = try factory.prepare(Array(Set(candidates.map(\.choice))), monitor: monitor)
    let evaluator = GenerationEvaluator<Part>(
      reference: reference, parent: model, isPrepared: isPrepared
    ) { layer, isMLP, part in
      try factory.rankedLayer(layer, part.choice)
        .weights(groups: isMLP ? 0 : part.width, channels: isMLP ? part.width : 0)
    }
    let parts = candidates.enumerated().map { number, genes in
      let choice = genes.choice
      return genes.widths.flatMap { widths in
        [widths.groups, widths.channels].map { Part(choice: choice, width: $0, owner: sharing ? 0 : number + 1) }
      }
    }
    return try evaluator.compare(parts, windows: windows, monitor: monitor)
  }

  /// The dense model beside itself.
  var dense: SubnetMeasurement { measurement(model.configuration, Quality(dense: reference.perplexity)) }

  func measurement(of genes: BoundSpace.Genes, _ quality: Quality) -> SubnetMeasurement {
    measurement(
      model.configuration.with(layers: zip(genes.widths, model.configuration.layers).map { $0.shape(of: $1) }), quality)
  }

  func measurement(_ configuration: ModelConfiguration, _ quality: Quality) -> SubnetMeasurement {
    SubnetMeasurement(EvaluatedSubnet(configuration, of: model.configuration, quality: quality))
  }
}
