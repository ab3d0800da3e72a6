import Calibration
import LanguageModels
import LinearAlgebra

/// A training-free score of the prunable units of a layer: the larger, the more a unit is worth keeping.
///
/// A new score is one file with one conforming type and one line in `ImportanceRegistry`.
public protocol Importance: Sendable {
  /// The name on the command line and in search spaces, such as `wanda-sp`.
  var name: String { get }
  /// One line for listings.
  var summary: String { get }
  /// The source of the formula.
  var source: String { get }
  /// The scalar whose gradients the score needs, if any: they cost a backward pass over the calibration.
  var gradients: BackwardPass.Scalar? { get }
  /// Whether it can rank the experts of a mixture.
  var ranksExperts: Bool { get }
  /// Scores of one layer's KV groups and MLP channels.
  func scores(of layer: ScoredLayer) throws -> UnitScores
}

/// The data that a score may look at.
public struct ScoredLayer: Sendable {
  public let index: Int
  public let shape: LayerShape
  public let headDimension: Int
  public internal(set) var weights: LayerWeights
  public internal(set) var statistics: LayerStatistics
  /// Gradients of the scalar that the score asks for; `nil` if it asks for none.
  public internal(set) var saliencies: LayerSaliencies?
  /// Engine that computes what is made of the layer.
  public internal(set) var engine: any Engine = CPUEngine()

  /// Sums scores of the output projection's input columns over each KV group.
  ///
  /// The query heads `g·r … (g+1)·r − 1` belong to KV head `g`, so a group's columns are one contiguous run.
  public func foldColumns(_ columns: [Float]) -> [Float] {
    let width = shape.queriesPerGroup * headDimension
    return (0..<shape.kvHeads).map { group in columns[group * width..<(group + 1) * width].reduce(0, +) }
  }

  /// Sums scores of the channels, or of the activations, over each expert.
  public func foldChannels(_ channels: [Float]) -> [Float] {
    let width = channels.count / max(1, shape.mlpChannels)
    return (0..<shape.mlpChannels).map { channels[$0 * width..<($0 + 1) * width].reduce(0, +) }
  }

  /// The Gram matrix of the down projection's input as blocks that know nothing of each other, with their channels:
  /// one of all channels, or one for each expert.
  public func hiddenBlocks() -> [(channels: Range<Int>, gram: Matrix<Float>)] {
    let gram = statistics.hiddenGram
    guard weights.hasExperts else { return [(0..<gram.rows, gram)] }
    return stride(from: 0, to: gram.rows, by: gram.columns).map { start in
      (start..<start + gram.columns, gram.rows(start..<start + gram.columns))
    }
  }

  /// Sums, for every unit, the scores of the rows and columns of all matrices that are cut with it.
  ///
  /// Rows of query, key, value, gate and up; columns of output and down.
  func coupled(_ scores: (LayerPart) throws -> [Float]) rethrows -> UnitScores {
    let (queries, outputs) = (foldColumns(try scores(.query)), foldColumns(try scores(.output)))
    let (key, value) = (try scores(.key), try scores(.value))
    let (gate, up, down) = (try scores(.gate), try scores(.up), try scores(.down))
    return UnitScores(
      groups: (0..<shape.kvHeads).map { group in
        let rows = group * headDimension..<(group + 1) * headDimension
        return queries[group] + outputs[group] + key[rows].reduce(0, +) + value[rows].reduce(0, +)
      },
      channels: gate.count == down.count
        ? gate.indices.map { gate[$0] + up[$0] + down[$0] }
        : zip(zip(foldChannels(gate), foldChannels(up)), foldChannels(down)).map { $0.0 + $0.1 + $1 })
  }
}

extension ScoredLayer {
  /// The layer as a score sees it, with the gradients that it asks for.
  ///
  /// - Parameter score: score that looks at the layer; `nil` if none does.
  /// - Throws: `ImportanceError.noGradients`, and what reading the statistics throws.
  public init(
    _ index: Int, of network: some Network, for score: (any Importance)?, statistics: any Statistics
  ) throws {
    let configuration = network.configuration
    var saliencies: LayerSaliencies?
    if let score, let scalar = score.gradients {
      saliencies = try statistics.saliencies(of: scalar, layer: index)
      if saliencies == nil { throw ImportanceError.noGradients(score: score.name) }
    }
    self.init(
      index: index, shape: configuration.layers[index], headDimension: configuration.headDimension,
      weights: try network.layer(index), statistics: try statistics.layer(index), saliencies: saliencies,
      engine: network.engine)
  }
}

extension Importance {
  public var gradients: BackwardPass.Scalar? { nil }
  public var ranksExperts: Bool { true }

  /// - Throws: `ImportanceError.noExperts` if the model has experts, and the score cannot rank them.
  public func check(_ configuration: ModelConfiguration) throws(ImportanceError) {
    if configuration.block.experts != nil, !ranksExperts { throw .noExperts(score: name) }
  }

  /// The scores of a layer, checked to be finite.
  ///
  /// - Throws: `ImportanceError.notFinite`, and what the score throws.
  public func finiteScores(of layer: ScoredLayer) throws -> UnitScores {
    var scores = try scores(of: layer)
    if scores.channels.count != layer.shape.mlpChannels { scores.channels = layer.foldChannels(scores.channels) }
    guard scores.groups.allSatisfy(\.isFinite), scores.channels.allSatisfy(\.isFinite) else {
      throw ImportanceError.notFinite(score: name, layer: layer.index)
    }
    return scores
  }
}

/// Scores of the prunable units of one layer.
public struct UnitScores: Sendable, Equatable {
  /// One per KV group.
  public var groups: [Float]
  /// One per MLP channel. For a mixture of experts one per expert, or per channel to be summed over each expert.
  public var channels: [Float]

  public init(groups: [Float], channels: [Float]) {
    (self.groups, self.channels) = (groups, channels)
  }

  /// Ranks as shares of 1; the first unit of an order has the highest.
  init(keepingGroups groups: [Int], channels: [Int]) {
    func ranks(_ order: [Int]) -> [Float] {
      var result = Array(repeating: Float(0), count: order.count)
      for (place, unit) in order.enumerated() { result[unit] = Float(order.count - place) / Float(order.count) }
      return result
    }
    self.init(groups: ranks(groups), channels: ranks(channels))
  }

  /// Units from the most to the least important; ties keep the lower index first.
  public var ranking: UnitRanking {
    UnitRanking(groups: Self.order(groups), channels: Self.order(channels))
  }

  private static func order(_ scores: [Float]) -> [Int] {
    scores.indices.sorted { (scores[$0], $1) > (scores[$1], $0) }
  }
}

/// The order in which the units of one layer are kept: every width keeps a prefix.
public struct UnitRanking: Sendable, Equatable {
  public var groups: [Int]
  public var channels: [Int]
  /// The order in which the query heads of each of the parent's groups are kept, by their places in the group; `nil` if
  /// all are kept (`QueryHeads`).
  public var queries: [[Int]]?
  /// The order in which the channels of each of the parent's experts are kept, by their places there; `nil` if all are
  /// kept (`ExpertChannels`).
  public var expertChannels: [[Int]]?

  public init(groups: [Int], channels: [Int], queries: [[Int]]? = nil, expertChannels: [[Int]]? = nil) {
    (self.groups, self.channels, self.queries, self.expertChannels) = (groups, channels, queries, expertChannels)
  }
}

/// All scores by name.
public enum ImportanceRegistry {
  public static let all: [any Importance] =
    [
      WandaSP(), FLAP(), OBS(), NumericalPruning(), LLMBIP(), GreedySelection(), LossOBS(), LLMPruner(.vector),
      LLMPruner(.first), LLMPruner(.second), LLMPruner(.mixed), NIRVANA(), Magnitude(.l1), Magnitude(.l2),
      RandomImportance(), REAP(),
    ]

  /// A score by its name. LLM-Pruner's names may end with a colon and an aggregation, such as `llm-pruner-first:max`.
  /// Several names with weights are a mixture of ranks: `0.7*obs+0.3*flap`.
  public static func named(_ name: String) throws -> any Importance {
    if let found = all.first(where: { $0.name == name }) { return found }
    if let found = LLMPruner(name: name) { return found }
    if name.contains("*") { return try RankMixture(name: name) }
    throw ImportanceError.unknownScore(name: name, known: all.map(\.name))
  }
}

public enum ImportanceError: Error, Equatable, CustomStringConvertible {
  case unknownScore(name: String, known: [String])
  case invalidMixture(name: String, problem: String)
  case notFinite(score: String, layer: Int)
  case noGradients(score: String)
  case noExperts(score: String)
  case expertBiases

  public var description: String {
    switch self {
    case .unknownScore(let name, let known):
      "unknown score '\(name)' (known: \(known.joined(separator: ", ")))"
    case .invalidMixture(let name, let problem):
      "mixture '\(name)': \(problem)"
    case .notFinite(let score, let layer):
      "score '\(score)' of layer \(layer) is not finite"
    case .noGradients(let score):
      "score '\(score)' needs gradients, and none were gathered"
    case .expertBiases:
      "experts with biases keep all their channels: no correction of fewer channels knows of the biases"
    case .noExperts(let score):
      "score '\(score)' compares the channels of one MLP and cannot rank the experts of a mixture"
    }
  }
}
