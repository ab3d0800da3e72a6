import LanguageModels
import LinearAlgebra

/// The units that one layer of a subnet inherits from its parent, by their indices there.
public struct KeptUnits: Sendable, Equatable {
  /// KV groups.
  public var groups: [Int]
  /// MLP channels.
  public var channels: [Int]
  /// The query heads that stay in each kept group, equally many in all, by their places in it; `nil` where all do.
  public var queries: [[Int]]?

  public init(groups: [Int], channels: [Int], queries: [[Int]]? = nil) {
    self.groups = groups
    self.channels = channels
    self.queries = queries
  }

  /// All units of a layer.
  public static func all(of shape: LayerShape) -> KeptUnits {
    KeptUnits(groups: Array(0..<shape.kvHeads), channels: Array(0..<shape.mlpChannels))
  }

  /// The widths of the layer that keeps these units of a parent layer.
  public func shape(of parent: LayerShape) -> LayerShape {
    LayerWidths(groups: groups.count, channels: channels.count, queries: queries?.first?.count).shape(of: parent)
  }

  /// Rows of the query projection (and columns of the output projection) that stay, in order.
  ///
  /// Query heads `g·r … (g+1)·r − 1` belong to KV head `g`.
  public func queryIndices(of parent: LayerShape, headDimension: Int) -> [Int] {
    let all = Array(0..<parent.queriesPerGroup)
    return groups.enumerated().flatMap { place, group in
      (queries?[place] ?? all).flatMap { query in
        let head = group * all.count + query
        return head * headDimension..<(head + 1) * headDimension
      }
    }
  }

  /// Rows of the key and value projections that the groups hold, in order.
  public func keyIndices(headDimension: Int) -> [Int] {
    groups.flatMap { $0 * headDimension..<($0 + 1) * headDimension }
  }
}

extension LayerWeights {
  /// The weights of a layer that keeps only some units, in the order given; nothing is corrected.
  public func inherit(_ units: KeptUnits, from shape: LayerShape, headDimension: Int) -> LayerWeights {
    inherit(
      units, from: shape, queryIndices: units.queryIndices(of: shape, headDimension: headDimension),
      headDimension: headDimension)
  }

  /// The same with the rows of the query projection (and columns of the output projection) given one by one.
  public func inherit(
    _ units: KeptUnits, from shape: LayerShape, queryIndices queries: [Int], headDimension: Int
  ) -> LayerWeights {
    let keys = units.keyIndices(headDimension: headDimension)
    return LayerWeights(
      attentionNorm: attentionNorm,
      query: query.gatheringOutputs(queries), key: key.gatheringOutputs(keys), value: value.gatheringOutputs(keys),
      output: output.gatheringInputs(queries),
      mlpNorm: mlpNorm,
      gate: gate.gatheringOutputs(units.channels), up: up.gatheringOutputs(units.channels),
      down: down.gatheringInputs(units.channels))
  }

  /// The first units of a layer whose units stand in the order of a ranking: views, no copies.
  public func prefix(groups: Int, queriesPerGroup: Int, channels: Int, headDimension: Int) -> LayerWeights {
    let queries = groups * queriesPerGroup * headDimension
    let keys = groups * headDimension
    return LayerWeights(
      attentionNorm: attentionNorm,
      query: query.firstOutputs(queries), key: key.firstOutputs(keys), value: value.firstOutputs(keys),
      output: output.firstInputs(queries),
      mlpNorm: mlpNorm,
      gate: gate.firstOutputs(channels), up: up.firstOutputs(channels), down: down.firstInputs(channels))
  }
}

extension Linear {
  func gatheringOutputs(_ indices: [Int]) -> Linear {
    Linear(weight: weight.gatherRows(indices), bias: bias.map { bias in indices.map { bias[$0] } })
  }

  func gatheringInputs(_ indices: [Int]) -> Linear {
    Linear(weight: weight.gatherColumns(indices), bias: bias)
  }

  func firstOutputs(_ count: Int) -> Linear {
    Linear(weight: weight.rows(0..<count), bias: bias.map { Array($0.prefix(count)) })
  }

  func firstInputs(_ count: Int) -> Linear {
    Linear(weight: weight.columns(0..<count), bias: bias)
  }
}
