/// Whether smaller or larger values of an objective are better.
public enum Direction: String, Codable, Sendable {
  case minimize = "MINIMIZE"
  case maximize = "MAXIMIZE"

  /// The value as an optimiser wants it: smaller is better. The same again gives the value back.
  public func minimized(_ value: Double) -> Double { self == .maximize ? -value : value }
}
