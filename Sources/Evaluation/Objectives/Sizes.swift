import Search
import Subnets

public struct BlockParameters: Objective {
  public let name = "params"
  public let title = "block parameters"
  public let summary =
    "Parameters of the decoder blocks. Embeddings, the final norm and the output head are not pruned and do not count."
  public let style = NumberStyle.count
  public let needs = ObjectiveNeed.widths

  public init() {}

  public func value(of subnet: EvaluatedSubnet) -> Double? { Double(subnet.configuration.blockParameters) }

  public func cost(in space: BoundSpace) -> (any CostTable)? { space.cost }
}

public struct WeightBytes: Objective {
  public let name = "bytes"
  public let title = "bytes"
  public let unit = "bytes"
  public let summary = "Bytes of all weights, embeddings included, at two bytes each."
  public let style = NumberStyle.bytes
  public let needs = ObjectiveNeed.widths

  /// Bytes of a weight in bfloat16 or float16.
  public static let each = 2

  public func value(of subnet: EvaluatedSubnet) -> Double? { Double(Self.each * subnet.configuration.totalParameters) }

  public func cost(in space: BoundSpace) -> (any CostTable)? {
    LinearCost(
      base: Self.each * (space.cost.base + space.configuration.outerParameters),
      weights: space.cost.weights.map { Self.each * $0 })
  }
}
