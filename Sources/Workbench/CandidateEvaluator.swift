import Calibration
import Evaluation
import Importance
import LanguageModels
import Reformation
import Runtime
import Subnets

extension BoundSpace.Genes {
  /// What decides the weights beside the widths.
  public var choice: SubnetFactory<LanguageModel>.Choice {
    .init(
      score: score, calibration: statistics, damping: damping, queries: queries,
      expertChannels: expertChannels)
  }
}

/// Turns genes into subnets and compares them with the dense model.
public struct CandidateEvaluator: Sendable {
  public enum Weights: Sendable {
    /// The parent's own.
    case inherited
    /// Corrected as the evaluator's repair says.
    case repaired
  }

  public let model: LanguageModel
  /// What the final repair aims at: the model, or that which it was made of.
  public let dense: LanguageModel
  public let bound: BoundSpace
  /// Those that genes name, with the gradients that scores need.
  public let statistics: [any Statistics]
  public let reference: DenseReference
  public let repaired: SubnetFactory<LanguageModel>
  public let inherited: SubnetFactory<LanguageModel>
  /// Makes the layers that error curves are of: with the statistics that units are ranked by.
  let ranking: SubnetFactory<LanguageModel>
  /// What is measured of a candidate.
  public internal(set) var objectives = ObjectiveRegistry.all
  /// What candidates are asked beside the comparison; `nil` for nothing.
  public var examiner: (any SubnetExaminer)?
  /// How far the errors of modules go together; `nil` takes them for independent.
  public internal(set) var correlation: ErrorCorrelation?

  /// What decides the weights of half a layer.
  struct Part: Hashable {
    let choice: SubnetFactory<LanguageModel>.Choice
    let width: Int
    /// The candidate that does not share the part; 0 for a part that all may share.
    let owner: Int
  }

  /// - Parameters:
  ///   - statistics: those that genes name, with the gradients that scores need.
  ///   - solving: what weights are solved from, under the same names; `nil` for `statistics`.
  ///   - reference: windows that candidates are compared on, and their precision.
  ///   - repair: of single layers.
  ///   - damping: of genes that have none of their own.
  ///   - dense: what the final repair aims at; `nil` for the model.
  public init(
    _ model: LanguageModel, _ bound: BoundSpace, _ statistics: [any Statistics], solving: [any Statistics]? = nil,
    reference: DenseReference, repair: Repair, damping: Double, dense: LanguageModel? = nil
  ) throws {
    self.model = model
    self.dense = dense ?? model
    self.bound = bound
    self.statistics = statistics
    self.reference = reference
    let scores = try Set(bound.space.allScores + ["wanda-sp"]).sorted().map(ImportanceRegistry.named)
    let limit = model.memory.rankedLayers(besideTask: model.configuration.bytesPerLayerTask)
    let ranking = SubnetFactory(
      parent: model, scores: scores, statistics: statistics, repair: repair, damping: damping,
      byteLimit: solving == nil ? limit : limit / 4)
    self.ranking = ranking
    repaired =
      solving.map { SubnetFactory(rankingAs: ranking, repair: repair, statistics: $0, byteLimit: limit) } ?? ranking
    inherited = SubnetFactory(rankingAs: repaired, repair: .none, byteLimit: limit / 4)
  }

  public func factory(_ weights: Weights) -> SubnetFactory<LanguageModel> {
    weights == .repaired ? repaired : inherited
  }

  public func subnet(_ genes: BoundSpace.Genes, _ weights: Weights = .repaired) throws -> Subnet<LanguageModel> {
    try factory(weights).subnet(genes.widths, genes.choice)
  }

  public func units(_ genes: BoundSpace.Genes) throws -> [KeptUnits] {
    try repaired.units(genes.widths, genes.choice)
  }

  /// The dense model's configuration with the widths of the genes.
  public func configuration(_ genes: BoundSpace.Genes) -> ModelConfiguration {
    let layers = zip(genes.widths, model.configuration.layers).map { $0.shape(of: $1) }
    return model.configuration.with(layers: layers).with(expertChannels: genes.expertChannels)
  }

  // MARK: - Comparing

  /// Compares candidates with the dense model, layer by layer.
  ///
  /// Values do not depend on which candidates are together.
  ///
  /// - Parameters:
  ///   - windows: which of the reference's windows; `nil` for all.
  ///   - sharing: whether candidates that begin alike are run once as far as they agree.
  ///   - monitor: hears between half layers of the share that is done.
  public func compare(
    _ candidates: [BoundSpace.Genes], windows: Range<Int>? = nil, _ weights: Weights = .repaired,
    sharing: Bool = true, monitor: Monitor = .silent
  ) throws -> (comparisons: [Comparison], work: SharedWork) {
    let (evaluator, parts) = try generation(candidates, weights, sharing: sharing, monitor: monitor)
    return try evaluator.compare(parts, windows: windows, monitor: monitor)
  }

  /// What runs candidates together, and their parts.
  func generation(
    _ candidates: [BoundSpace.Genes], _ weights: Weights, sharing: Bool, monitor: Monitor
  ) throws -> (GenerationEvaluator<Part>, [[Part]]) {
    let factory = factory(weights)
    let isPrepared = try factory.prepare(Array(Set(candidates.map(\.choice))), monitor: monitor)
    let evaluator = GenerationEvaluator<Part>(
      reference: reference, parent: model, isPrepared: isPrepared
    ) { layer, isMLP, part in
      try factory.rankedLayer(layer, part.choice)
        .weights(groups: isMLP ? 0 : part.width, channels: isMLP ? part.width : 0)
    }
    let parts = candidates.enumerated().map { number, genes in
      let (choice, owner) = (genes.choice, sharing ? 0 : number + 1)
      return genes.widths.flatMap { widths in
        [widths.groups, widths.channels].map { Part(choice: choice, width: $0, owner: owner) }
      }
    }
    return (evaluator, parts)
  }

  /// Compares on all windows the candidate of each group that diverges least on the first quarter of them.
  ///
  /// - Parameter monitor: hears between half layers of the share that is done.
  /// - Returns: `nil` for a group without candidates.
  public func best(
    ofEach groups: [[BoundSpace.Genes]], _ weights: Weights, _ monitor: Monitor = .silent
  ) throws -> [(genes: BoundSpace.Genes, comparison: Comparison)?] {
    let windows = reference.windows.count
    let first = (windows + 3) / 4
    // Of the whole work, in candidates times windows.
    let heats = Double(groups.reduce(0) { $0 + $1.count } * first)
    let work = heats + Double(groups.count { !$0.isEmpty } * (windows - first))
    let share = heats / max(1, work)
    let winners = try winners(groups, 0..<first, weights, monitor.within(0...share))
    if first == windows { return winners }
    let further = try compare(
      winners.compactMap { $0?.genes }, windows: first..<windows, weights, monitor: monitor.within(share...1))
    var rest = further.comparisons[...]
    return winners.map { winner in winner.map { ($0.genes, $0.comparison.joined(rest.removeFirst())) } }
  }

  /// The candidate of each group that diverges least on some windows.
  private func winners(
    _ groups: [[BoundSpace.Genes]], _ windows: Range<Int>, _ weights: Weights, _ monitor: Monitor
  ) throws -> [(genes: BoundSpace.Genes, comparison: Comparison)?] {
    let all = groups.flatMap { $0 }
    var found = try compare(all, windows: windows, weights, monitor: monitor).comparisons[...]
    return groups.map { group in
      let own = found.prefix(group.count)
      found = found.dropFirst(group.count)
      return zip(group, own).min { $0.1.divergence < $1.1.divergence }.map { ($0.0, $0.1) }
    }
  }
}
