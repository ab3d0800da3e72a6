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
}
