import Calibration
import Evaluation
import Importance
import LanguageModels
import LinearAlgebra
import Reformation
import Runtime
import Search
import Subnets

/// The repaired subnets whose units one score ranks, and the widths that its error curves ask for at any budget.
public struct RankedCandidates {
  /// The answer of error curves to a budget.
  public struct Solution: Sendable {
    public let genome: Genome
    public let widths: [LayerWidths]
    /// Sum of the errors of all modules, in the unit of the metric: nats for that of the loss.
    public let predictedError: Double
  }

  public let score: any Importance
  /// Per-layer widths in the bench's steps.
  let space: BoundSpace
  private let bench: Workbench
  private let statistics: any Statistics
  private let factory: SubnetFactory<LanguageModel>

  /// - Parameters:
  ///   - statistics: with the gradients that the score and the metrics need.
  ///   - step: channels that an MLP loses at a time; `nil` chooses by its width.
  ///   - droppingModules: whether layers but the first may lose their attention, their MLP, or both.
  ///   - queries: query heads that every kept KV group keeps; `nil` for all.
  /// - Throws: `SearchSpaceError.doesNotFit`.
  public init(
    _ bench: Workbench, _ score: any Importance, _ statistics: any Statistics, step: Int?,
    droppingModules: Bool = false, queries: Int? = nil
  ) throws {
    self.bench = bench
    self.score = score
    self.statistics = statistics
    let least = SearchSpace.Amount.units(droppingModules ? 0 : 1)
    let attention = SearchSpace.WidthRule(minimum: least, step: 1, queries: queries)
    let widths = SearchSpace(
      name: score.name, summary: "", layers: .each, attention: attention,
      mlp: SearchSpace.WidthRule(minimum: least, step: step), floors: [], scores: [score.name],
      calibrations: [.each], keep: 0...1)
    space = try BoundSpace(widths, to: bench.configuration, calibrationSets: [statistics.name])
    factory = SubnetFactory(
      parent: bench.model, scores: [score], statistics: [statistics], repair: .nested,
      damping: try bench.damping(),
      byteLimit: bench.model.memory.rankedLayers(besideTask: bench.configuration.bytesPerLayerTask))
  }

  private var choice: SubnetFactory<LanguageModel>.Choice {
    .init(score: score.name, calibration: statistics.name, queries: space.space.attention.queries)
  }

  /// Two curves a layer: attention, then MLP. They answer every budget.
  ///
  /// - Parameter monitor: hears of the layers that are done.
  public func curves(_ metric: ErrorCurves.Metric, monitor: Monitor = .silent) throws -> [ModuleCurve] {
    try bench.timed(.score) {
      try ErrorCurves.curves(factory, choice, statistics, metric: metric, monitor: monitor) { [space] in
        (space.widths(of: 2 * $0), space.widths(of: 2 * $0 + 1))
      }
    }
  }

  /// The widths of least error.
  ///
  /// - Parameter budget: block parameters at most.
  /// - Returns: `nil` where even the narrowest widths exceed the budget.
  public func solution(_ curves: [ModuleCurve], budget: Int) -> Solution? {
    guard let widths = ErrorCurves.widths(curves, bench.configuration, budget: budget),
      let genome = space.genome(.init(widths: widths, score: score.name, calibration: statistics.name))
    else { return nil }
    let error = ErrorCurves.error(curves, widths)
    return Solution(genome: genome, widths: space.genes(genome).widths, predictedError: error)
  }

  public func subnet(_ genome: Genome) throws -> Subnet<LanguageModel> {
    try factory.subnet(space.genes(genome).widths, choice)
  }

  /// KL divergences from the dense model on the held-out windows, in nats per token: all genomes layer by layer.
  func divergences(of genomes: [Genome]) throws -> [Double] {
    let (factory, choice) = (factory, choice)
    let evaluator = GenerationEvaluator<Int>(
      reference: try bench.reference(), parent: bench.model
    ) { layer, isMLP, width in
      try factory.rankedLayer(layer, choice).weights(groups: isMLP ? 0 : width, channels: isMLP ? width : 0)
    }
    let parts = genomes.map { genome in space.genes(genome).widths.flatMap { [$0.groups, $0.channels] } }
    return try evaluator.compare(parts).comparisons.map(\.divergence)
  }

  public func units(_ genome: Genome) throws -> [KeptUnits] { try factory.units(space.genes(genome).widths, choice) }
}
