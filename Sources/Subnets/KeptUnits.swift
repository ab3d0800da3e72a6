import LanguageModels

/// The units that one layer of a subnet inherits from its parent, by their indices there.
public struct KeptUnits: Sendable, Equatable {
  /// KV groups.
  public var groups: [Int]
  /// MLP channels, or experts if the MLP is a mixture of them.
  public var channels: [Int]
  /// The query heads that stay in each kept group, equally many in all, by their places in the group; `nil` if all
  /// stay.
  public var queries: [[Int]]?
  /// The channels that stay in each kept expert, equally many in all, by their places in the expert; `nil` if all stay.
  public var expertChannels: [[Int]]?

  public init(groups: [Int], channels: [Int], queries: [[Int]]? = nil, expertChannels: [[Int]]? = nil) {
    self.groups = groups
    self.channels = channels
    self.queries = queries
    self.expertChannels = expertChannels
  }

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

  /// Rows of the gate and up projections (and columns of the down projection) that stay, in order.
  ///
  /// - Parameter perUnit: channels of one unit: those of an expert, or one.
  public func channelIndices(_ perUnit: Int) -> [Int] {
    if perUnit == 1, expertChannels == nil { return channels }
    let all = Array(0..<perUnit)
    return channels.enumerated().flatMap { place, expert in
      (expertChannels?[place] ?? all).map { expert * perUnit + $0 }
    }
  }

  /// Rows of the key and value projections that the groups hold, in order.
  public func keyIndices(headDimension: Int) -> [Int] {
    groups.flatMap { $0 * headDimension..<($0 + 1) * headDimension }
  }
}

/// Norms of the stream stay as they are, and those of one head of queries and keys, too, whichever heads stay. Gains of
/// norms over all heads go with their heads.
extension LayerWeights {
  /// The weights of a layer that keeps only some units, in the given order; nothing is corrected.
  public func inherit(_ units: KeptUnits, from shape: LayerShape, headDimension: Int) -> LayerWeights {
    inherit(
      units, from: shape, queryIndices: units.queryIndices(of: shape, headDimension: headDimension),
      headDimension: headDimension)
  }

  /// The same with the rows of the query projection (and columns of the output projection) given one by one.
  public func inherit(
    _ units: KeptUnits, from shape: LayerShape, queryIndices queries: [Int], headDimension: Int
  ) -> LayerWeights {
    let (keys, channels) = (units.keyIndices(headDimension: headDimension), units.channelIndices(channelsPerUnit))
    func indices(_ axis: LayerPart.Axis?) -> [Int]? {
      switch axis {
      case .queryHeads: queries
      case .queries: stride(from: 0, to: queries.count, by: headDimension).map { queries[$0] / headDimension }
      case .kvHeads: keys
      case .channels: channels
      case .experts: hasExperts ? units.channels : nil
      case .hidden, .head, nil: nil
      }
    }
    var result = mapProjections { $1.gathering(outputs: indices($0.outputs), inputs: indices($0.inputs)) }
    for part in LayerPart.norms where !self[gain: part].isEmpty {
      if let kept = indices(part.outputs) { result[gain: part] = kept.map { self[gain: part][$0] } }
    }
    return result
  }

  /// The first units of a layer whose units are in the order of a ranking: views, no copies.
  public func prefix(groups: Int, queriesPerGroup: Int, channels: Int, headDimension: Int) -> LayerWeights {
    let perUnit = channelsPerUnit
    func count(_ axis: LayerPart.Axis?) -> Int? {
      switch axis {
      case .queryHeads: groups * queriesPerGroup * headDimension
      case .queries: groups * queriesPerGroup
      case .kvHeads: groups * headDimension
      case .channels: channels * perUnit
      case .experts: hasExperts ? channels : nil
      case .hidden, .head, nil: nil
      }
    }
    var result = mapProjections { $1.first(outputs: count($0.outputs), inputs: count($0.inputs)) }
    for part in LayerPart.norms where !self[gain: part].isEmpty {
      if let kept = count(part.outputs) { result[gain: part] = Array(self[gain: part].prefix(kept)) }
    }
    return result
  }
}

extension Linear {
  /// - Parameters: outputs and inputs that stay, in order; `nil` for all.
  fileprivate func gathering(outputs: [Int]?, inputs: [Int]?) -> Linear {
    var result = self
    if let outputs {
      result = Linear(weight: weight.gatherRows(outputs), bias: bias.map { bias in outputs.map { bias[$0] } })
    }
    if let inputs { result.weight = result.weight.gatherColumns(inputs) }
    return result
  }

  fileprivate func first(outputs: Int?, inputs: Int?) -> Linear {
    var result = self
    if let outputs {
      result = Linear(weight: weight.rows(0..<outputs), bias: bias.map { Array($0.prefix(outputs)) })
    }
    if let inputs { result.weight = result.weight.columns(0..<inputs) }
    return result
  }
}
