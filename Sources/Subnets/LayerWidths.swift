import LanguageModels

/// How many units of one layer a subnet keeps.
public struct LayerWidths: Sendable, Hashable {
  /// KV groups.
  public var groups: Int
  /// MLP channels.
  public var channels: Int

  public init(groups: Int, channels: Int) {
    self.groups = groups
    self.channels = channels
  }

  /// The shape of a layer of these widths.
  public func shape(of parent: LayerShape) -> LayerShape {
    LayerShape(queryHeads: groups * parent.queriesPerGroup, kvHeads: groups, mlpChannels: channels)
  }
}
