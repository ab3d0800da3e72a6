import Evaluation
import Reformation
import Search
import Subnets

/// Time as what a search spends, in the place of block parameters.
public struct Timing: Sendable {
  public let latency: Latency
  /// Nanoseconds that every candidate may take; `nil` where candidates of all sizes are wanted.
  public let limit: Int?

  public init(_ latency: Latency, limit: Int?) { (self.latency, self.limit) = (latency, limit) }

  /// The widths of least error that take no more time than the limit, or than other widths where there is none.
  ///
  /// - Parameters:
  ///   - curves: attention and MLP of every layer.
  ///   - sized: the widths to be as fast as.
  /// - Returns: `nil` if even the narrowest widths take longer.
  func widths(
    _ curves: [ModuleCurve], _ sized: () -> [LayerWidths]?, correlation: ErrorCorrelation?
  ) -> [LayerWidths]? {
    let priced = curves.enumerated().map { place, curve in
      ModuleCurve(
        widths: curve.widths, errors: curve.errors,
        costs: curve.widths.map { place % 2 == 0 ? latency.attention(groups: $0) : latency.mlp(channels: $0) })
    }
    let budget = limit.map { $0 - latency.outside } ?? sized().map(latency.modules)
    return budget.flatMap { ErrorCurves.widths(priced, budget: $0, correlation: correlation) }
  }

  /// Block parameters that stand in the range of sizes where a time stands in that of times: about what a subnet of that
  /// time has.
  static func size(of time: Int, in space: BudgetedSpace, _ bound: BoundSpace) -> Int {
    let sizes = (bound.cost.cost(bound.design.lowest), bound.cost.cost(bound.design.highest))
    let times = space.reachable
    let share = Double(time - times.lowerBound) / Double(max(1, times.upperBound - times.lowerBound))
    return sizes.0 + Int(min(1, max(0, share)) * Double(sizes.1 - sizes.0))
  }
}

extension Latency {
  /// Nanoseconds of all attentions and MLPs.
  func modules(_ widths: [LayerWidths]) -> Int {
    widths.reduce(0) { $0 + attention(groups: $1.groups) + mlp(channels: $1.channels) }
  }
}

extension SearchPlan {
  /// Time in the place of parameters, if the search is about it.
  ///
  /// - Parameter space: its cost is time if there is a limit of time.
  func timing(_ space: BudgetedSpace) -> Timing? {
    guard let latency else { return nil }
    if limitsTime { return Timing(latency, limit: space.allowed.upperBound) }
    return objectives.contains(latency.name) && !space.budget.useWholeBudget ? Timing(latency, limit: nil) : nil
  }
}
