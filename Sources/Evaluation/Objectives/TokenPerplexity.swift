import Foundation

/// Token perplexity on the fitness windows.
public struct TokenPerplexity: Objective {
  public let name = "perplexity"
  public let title = "perplexity"
  public let summary =
    "The exponential of the mean negative log-likelihood of the next token, over the same positions. “× dense” "
    + "divides it by the dense model’s. It compares only with numbers from the same windows."
  public let style = NumberStyle.large

  public init() {}

  public func value(of subnet: EvaluatedSubnet) -> Double? { subnet.quality.map { exp($0.loss) } }

  /// The nats that the loss lies above the dense model's. A subnet that beats the dense model counts as its equal.
  public func shortfall(_ value: Double, dense: Double) -> Double {
    dense > 0 ? max(0, log(value / dense)) / KLDivergence.corner : 0
  }
}

extension Objective where Self == TokenPerplexity {
  public static var perplexity: TokenPerplexity { TokenPerplexity() }
}
