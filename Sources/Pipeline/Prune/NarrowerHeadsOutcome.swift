import Checkpoints
import Exports
import LanguageModels
import Reformation
import Workbench

/// What became of a model's heads, before its units were pruned.
public struct NarrowerHeadsOutcome: Sendable, Equatable {
  /// Dimensions of a head.
  public let dimension: Int
  public let dimensionBefore: Int
  /// Rotary pairs that stay, ascending.
  public let pairs: [Int]
  /// Share of the block parameters that is left without any other pruning, 0…1.
  public let keepRatio: Double
  /// KL divergence of the model with narrower heads and all units on the held-out windows, in nats a token.
  public let divergence: Double

  init(_ heads: NarrowerHeads, of configuration: ModelConfiguration) {
    dimension = heads.bench.configuration.headDimension
    dimensionBefore = configuration.headDimension
    pairs = heads.pairs
    keepRatio = configuration.keepRatio(of: heads.bench.configuration)
    divergence = heads.divergence
  }

  /// For the records of exports, and JSON.
  public var record: JSONValue {
    [
      "dimension": .integer(dimension), "dimension_before": .integer(dimensionBefore),
      "rotary_pairs": .array(pairs.map { .integer($0) }), "keep_ratio": .number(keepRatio),
      "kl": .number(divergence),
    ]
  }
}

extension ModelConfiguration {
  /// Whether heads can have so many dimensions, and a loader of a format takes them.
  ///
  /// - Throws: `ReformationError` and `ExportError.notExpressible`.
  func checkNarrowing(to dimension: Int, _ format: ExportFormat, layersDiffer: Bool) throws {
    try NarrowedHeads<LanguageModel>.check(self, dimension: dimension)
    try Exporter.check(keepingPairs(Array(0..<dimension / 2)), format, layersDiffer: layersDiffer)
  }
}
