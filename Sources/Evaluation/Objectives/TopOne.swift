import Search

/// How often a subnet and the dense model prefer the same next token.
public struct TopOne: Objective {
  public let name = "top1_agreement"
  public let title = "top-1"
  public let summary = "The share of positions at which the subnet’s likeliest next token is the dense model’s."
  public let style = NumberStyle.share
  public let direction = Direction.maximize

  public func value(of subnet: EvaluatedSubnet) -> Double? { subnet.quality?.topOneAgreement }
}

extension Objective where Self == TopOne {
  public static var topOne: TopOne { TopOne() }
}
