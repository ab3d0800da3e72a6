import LanguageModels

/// The numbers of units of one layer that a subnet keeps.
public struct LayerWidths: Sendable, Hashable, Codable {
  /// KV groups.
  public var groups: Int
  /// MLP channels, or experts if the MLP is a mixture of them.
  public var channels: Int
  /// Query heads of each kept group; `nil` for all.
  public var queries: Int?

  private enum CodingKeys: String, CodingKey {
    case groups = "kvGroups"
    case channels = "mlpChannels"
    case queries
  }

  public init(groups: Int, channels: Int, queries: Int? = nil) {
    self.groups = groups
    self.channels = channels
    self.queries = queries
  }

  public func shape(of parent: LayerShape) -> LayerShape {
    let queries = parent.queries(keeping: queries)
    return LayerShape(queryHeads: groups * queries, kvHeads: groups, mlpChannels: channels)
  }
}

extension LayerShape {
  /// Number of query heads that each group of a layer of this shape keeps, at most `limit`.
  public func queries(keeping limit: Int?) -> Int { min(limit ?? queriesPerGroup, queriesPerGroup) }
}
