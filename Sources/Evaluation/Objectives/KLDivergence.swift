/// Mean Kullback–Leibler divergence from the dense model.
public struct KLDivergence: Objective {
  public let name = "kl"
  public let title = "KL"
  public let unit = "nats a token"
  public let summary =
    "The Kullback–Leibler divergence from the dense model’s next-token distribution to the subnet’s, over the whole "
    + "vocabulary, in nats, averaged over all predicted positions. 0 means that both predict alike."
  public let style = NumberStyle.divergence

  /// Divergence at the corner of the hypervolume, in nats: worse points add nothing.
  static let corner = 2.0

  public init() {}

  public func value(of subnet: EvaluatedSubnet) -> Double? { subnet.quality?.divergence }

  public func shortfall(_ value: Double, dense: Double) -> Double { value / Self.corner }
}

extension Objective where Self == KLDivergence {
  public static var kl: KLDivergence { KLDivergence() }
}
