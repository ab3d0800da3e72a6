import Importance
import LanguageModels
import LinearAlgebra
import Subnets
import Synchronization

/// One parent layer with its units in the order of a ranking, ready to give the weights of any width.
///
/// The first request for a width brings query, key, value, gate and up rows into ranking order, so that every width is
/// a view of their first rows. Corrected output and down projections are solved at the first request, and kept.
public final class RankedLayer: Sendable {
  public let ranking: UnitRanking
  private let shape: LayerShape
  private let headDimension: Int
  /// Query heads that every kept group keeps.
  private let queries: Int
  private let units: KeptUnits
  /// Inputs of the output projection in the order of the ranking.
  private let contexts: [Int]
  /// The parent's weights until the first request for a width, then those in the order of the ranking.
  private let weights: Mutex<(weights: LayerWeights, areOrdered: Bool)>
  /// Whether corrected projections differ from the parent's even with all inputs.
  private let correctsWhole: Bool
  private let attention: (any WidthSolver)?
  private let mlp: (any WidthSolver)?
  /// In place of `mlp` if that is a mixture of experts.
  private let experts: ExpertSelection?
  /// Means of the inputs of the output and down projections in the order of the ranking, for biases.
  private let means: (context: [Float], hidden: [Float])?
  private let jointNorms: JointNorms
  private let solved = Mutex<[Width: Matrix<Float>]>([:])

  private enum Width: Hashable {
    case groups(Int)
    case channels(Int)
  }

  /// - Parameters:
  ///   - queries: number of query heads that every group keeps, the first of the ranking; `nil` for all.
  ///   - damping: damping as in `NestedReformation`.
  public init(
    _ layer: ScoredLayer, ranking: UnitRanking, queries limit: Int? = nil, repair: Repair, damping: Double
  ) throws {
    let (parent, statistics) = (layer.weights, layer.statistics)
    weights = Mutex((parent, false))
    self.ranking = ranking
    shape = layer.shape
    headDimension = layer.headDimension
    queries = shape.queries(keeping: limit)
    // The heads that stay come first in all groups, so that a number of groups keeps a prefix.
    units = KeptUnits(groups: ranking.groups, channels: ranking.channels)
    contexts = [ranking.staying(queries), ranking.leaving(queries)].flatMap { queries in
      KeptUnits(groups: ranking.groups, channels: [], queries: queries)
        .queryIndices(of: layer.shape, headDimension: layer.headDimension)
    }
    func reformation(
      _ module: LayerPart.Module, _ gram: Matrix<Float>, _ order: [Int], _ lacking: Matrix<Float>?
    ) throws -> (any WidthSolver)? {
      if order.isEmpty { return nil }
      let weight = parent[module.output].weight
      do {
        return repair == .admm
          ? try ADMMReformation(gram: gram, weight: weight, order: order)
          : try NestedReformation(
            gram: gram, weight: weight, order: order, damping: damping, lacking: lacking,
            gains: parent[gain: module.postNorm], engine: layer.engine)
      } catch {
        let name = module == .mlp ? "MLP" : module.rawValue
        throw ReformationError.layer(layer.index, module: name, problem: error.description)
      }
    }
    if repair == .bias, parent.hasExperts { throw ReformationError.expertsTakeNoBias }
    means =
      repair == .bias
      ? (contexts.map { statistics.contextMean[$0] }, units.channels.map { statistics.hiddenMean[$0] }) : nil
    let repairs = repair == .nested || repair == .admm
    attention = repairs ? try reformation(.attention, statistics.contextGram, contexts, statistics.contextLacking) : nil
    experts = repairs && parent.hasExperts ? ExpertSelection(layer: layer, order: units.channels) : nil
    mlp =
      repairs && experts == nil
      ? try reformation(.mlp, statistics.hiddenGram, units.channels, statistics.hiddenLacking) : nil
    correctsWhole = repair == .nested && statistics.contextLacking != nil
    jointNorms = JointNorms(statistics)
  }

  var isOrdered: Bool { weights.withLock { $0.areOrdered } }

  /// Brings the weights into the order of the ranking, before the first request for a width.
  func order() { _ = ordered }

  private var ordered: LayerWeights {
    weights.withLock { held in
      if !held.areOrdered {
        held = (
          held.weights.inherit(units, from: shape, queryIndices: contexts, headDimension: headDimension), true
        )
      }
      return held.weights
    }
  }

  /// The weights of the layer that keeps the first `groups` KV groups and `channels` MLP channels of the ranking.
  public func weights(groups: Int, channels: Int) -> LayerWeights {
    let ordered = ordered
    var layer = ordered.prefix(
      groups: groups, queriesPerGroup: queries, channels: channels, headDimension: headDimension)
    jointNorms.adjust(&layer, keeping: kept(groups), of: shape)
    let contexts = groups * queries * headDimension
    if let attention, correctsWhole || contexts < shape.queryHeads * headDimension, contexts > 0 {
      layer.output.weight = solution(.groups(groups)) { attention.weight(keeping: contexts) }
    }
    if let mlp, correctsWhole || channels < shape.mlpChannels, channels > 0 {
      layer.down.weight = solution(.channels(channels)) { mlp.weight(keeping: channels) }
    }
    if let means {
      layer.output.bias = Self.bias(ordered.output, means.context, from: contexts)
      layer.down.bias = Self.bias(ordered.down, means.hidden, from: channels)
    }
    return layer
  }

  /// The first groups of the ranking, with their query heads.
  private func kept(_ groups: Int) -> KeptUnits {
    let queries = ranking.staying(queries).map { Array($0.prefix(groups)) }
    return KeptUnits(groups: Array(ranking.groups.prefix(groups)), channels: [], queries: queries)
  }

  /// `b + W[:, kept:]·E[x[kept:]]`.
  private static func bias(_ projection: Linear, _ means: [Float], from kept: Int) -> [Float] {
    means.withUnsafeBufferPointer { means in
      (0..<projection.outputs).map { output in
        var value = projection.bias?[output] ?? 0
        if let base = means.baseAddress, kept < means.count {
          value += Kernels.dot(projection.weight.row(output) + kept, base + kept, count: means.count - kept)
        }
        return value
      }
    }
  }

  /// The errors if the first KV groups or MLP channels are kept with the best weights, from 0 units to all;
  /// `nil` for a module that the layer lacks, and for another repair than `nested`.
  ///
  /// - Parameter moments: moments for the added loss (`NestedReformation.lossErrors`); `nil` for the mean squared
  ///   error per token of what is added to the residual stream.
  public func errors(_ moments: BackwardPass.OutputMoments? = nil) -> (attention: [Double]?, mlp: [Double]?) {
    func errors(_ solver: (any WidthSolver)?, _ moments: Matrix<Float>?) -> [Double]? {
      (solver as? NestedReformation).map { solver in moments.map(solver.lossErrors) ?? solver.errors }
    }
    let contexts = errors(attention, moments?.attention)
    let groups = contexts.map { errors in (0...shape.kvHeads).map { errors[$0 * queries * headDimension] } }
    return (groups, experts?.errors(moments?.mlp) ?? errors(mlp, moments?.mlp))
  }

  /// The terms that errors of widths add to the loss of single tokens (`NestedReformation.lossTerms`), shape
  /// `[tokens, widths]`; `nil` for another repair than `nested`.
  ///
  /// - Parameter widths: KV groups or MLP channels, ascending.
  func lossTerms(_ tokens: BackwardPass.ModuleTokens, keeping widths: [Int]) -> Matrix<Float>? {
    if tokens.module == .attention {
      return (attention as? NestedReformation)?.lossTerms(
        tokens.inputs, order: contexts, tokens.gradients, keeping: widths.map { $0 * queries * headDimension })
    }
    if let experts { return experts.lossTerms(tokens, keeping: widths) }
    return (mlp as? NestedReformation)?.lossTerms(
      tokens.inputs, order: units.channels, tokens.gradients, keeping: widths)
  }

  private func solution(_ width: Width, _ solve: () -> Matrix<Float>) -> Matrix<Float> {
    if let known = solved.withLock({ $0[width] }) { return known }
    let weight = solve()
    solved.withLock { $0[width] = weight }
    return weight
  }

  /// Drops the solved weights.
  ///
  /// - Returns: bytes given back.
  func forgetSolutions() -> Int {
    solved.withLock { solved in
      let bytes = solved.values.reduce(0) { $0 + $1.count * MemoryLayout<Float>.size }
      solved = [:]
      return bytes
    }
  }

  /// Bytes held now.
  public var byteCount: Int {
    let factors = [attention, mlp].reduce(0) { $0 + ($1?.byteCount ?? 0) }
    let bytes = weights.withLock { $0.weights.matrixElements } * MemoryLayout<Float>.size
    return factors + bytes + solved.withLock { $0.values.reduce(0) { $0 + $1.count * MemoryLayout<Float>.size } }
  }
}

extension UnitRanking {
  /// The query heads of each group, in the order of `groups`, that stay if each group keeps `count`; `nil` for all.
  func staying(_ count: Int) -> [[Int]]? {
    queries.map { queries in groups.map { Array(queries[$0].prefix(count)) } }
  }

  fileprivate func leaving(_ count: Int) -> [[Int]]? {
    groups.map { group in queries.map { Array($0[group].dropFirst(count)) } ?? [] }
  }
}
