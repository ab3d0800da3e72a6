import Calibration
import Importance
import LanguageModels
import LinearAlgebra
import Subnets
import Synchronization

/// One parent layer with its units in the order of a ranking, ready to give the weights of any width.
///
/// Query, key, value, gate and up rows are stored in ranking order, so a width is a view of their first rows. The
/// corrected output and down projections are solved for when first asked for, and kept.
public final class RankedLayer: Sendable {
  public let ranking: UnitRanking
  private let shape: LayerShape
  private let headDimension: Int
  private let ordered: LayerWeights
  private let attention: NestedReformation?
  private let mlp: NestedReformation?
  private let solved = Mutex<[Width: Matrix<Float>]>([:])

  private enum Width: Hashable {
    case groups(Int)
    case channels(Int)
  }

  /// - Parameter damping: as in `NestedReformation`.
  public init(_ layer: ScoredLayer, ranking: UnitRanking, repair: RepairMode, damping: Double) throws {
    let (weights, statistics) = (layer.weights, layer.statistics)
    self.ranking = ranking
    shape = layer.shape
    headDimension = layer.headDimension
    let units = KeptUnits(groups: ranking.groups, channels: ranking.channels)
    ordered = weights.inherit(units, from: shape, headDimension: headDimension)
    let queries = units.queryIndices(of: shape, headDimension: headDimension)
    func reformation(
      _ module: String, _ gram: Matrix<Float>, _ weight: Matrix<Float>, _ order: [Int]
    ) throws -> NestedReformation? {
      if order.isEmpty { return nil }
      do {
        return try NestedReformation(gram: gram, weight: weight, order: order, damping: damping)
      } catch {
        throw ReformationError.layer(layer.index, module: module, problem: error.description)
      }
    }
    let repairs = repair == .leastSquares
    attention =
      repairs ? try reformation("attention", statistics.contextGram, weights.output.weight, queries) : nil
    mlp = repairs ? try reformation("MLP", statistics.hiddenGram, weights.down.weight, units.channels) : nil
  }

  /// The weights of the layer that keeps the first `groups` KV groups and `channels` MLP channels of the ranking.
  public func weights(groups: Int, channels: Int) -> LayerWeights {
    var layer = ordered.prefix(
      groups: groups, queriesPerGroup: shape.queriesPerGroup, channels: channels, headDimension: headDimension)
    if let attention, groups < shape.kvHeads, groups > 0 {
      layer.output.weight = solution(.groups(groups)) {
        attention.weight(keeping: groups * shape.queriesPerGroup * headDimension)
      }
    }
    if let mlp, channels < shape.mlpChannels, channels > 0 {
      layer.down.weight = solution(.channels(channels)) { mlp.weight(keeping: channels) }
    }
    return layer
  }

  /// Mean squared output error per token of keeping the first `groups` groups, best weights; `kvHeads + 1` values.
  public var attentionErrors: [Double]? {
    attention.map { attention in
      (0...shape.kvHeads).map { attention.errors[$0 * shape.queriesPerGroup * headDimension] }
    }
  }

  /// Mean squared output error per token of keeping the first channels, best weights; `mlpChannels + 1` values.
  public var mlpErrors: [Double]? { mlp?.errors }

  private func solution(_ width: Width, _ solve: () -> Matrix<Float>) -> Matrix<Float> {
    if let known = solved.withLock({ $0[width] }) { return known }
    let weight = solve()
    solved.withLock { $0[width] = weight }
    return weight
  }

  /// Bytes held now.
  public var byteCount: Int {
    let outputs = ordered.output.outputs
    let factors = [attention, mlp].reduce(0) { sum, module in
      sum + (module.map { $0.inputs * ($0.inputs + outputs) * MemoryLayout<Double>.size } ?? 0)
    }
    let matrices = [ordered.query, ordered.key, ordered.value, ordered.output, ordered.gate, ordered.up, ordered.down]
    let weights = matrices.reduce(0) { $0 + $1.weight.count } * MemoryLayout<Float>.size
    return factors + weights + solved.withLock { $0.values.reduce(0) { $0 + $1.count * MemoryLayout<Float>.size } }
  }
}
