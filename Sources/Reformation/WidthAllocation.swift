/// The error of one module at every width, and the cost of its width.
public struct ModuleCurve: Sendable {
  /// Allowed widths, ascending.
  public let widths: [Int]
  /// Error at each width, in one unit for all modules; smaller is better.
  public let errors: [Double]
  /// Cost of each width, in one unit for all modules, such as parameters or nanoseconds; never falling.
  public let costs: [Int]

  /// - Parameters:
  ///   - widths: ascending.
  ///   - errors: one a width.
  ///   - costs: one a width.
  public init(widths: [Int], errors: [Double], costs: [Int]) {
    (self.widths, self.errors, self.costs) = (widths, errors, costs)
  }

  /// - Parameter costPerUnit: parameters of one unit of width.
  public init(widths: [Int], errors: [Double], costPerUnit: Int) {
    self.init(widths: widths, errors: errors, costs: widths.map { $0 * costPerUnit })
  }
}

/// Chooses the width of every module for a budget from their error curves alone.
///
/// Minimises `Σ error(width)` subject to `Σ cost ≤ budget` by Lagrange's multiplier: for a price `μ` every module takes
/// the width that minimises `error + μ·cost` on its own. Bisection finds the smallest price that meets the budget. The
/// rest of the budget is spent on the steps that remove most error per parameter. The result is optimal up to the last
/// step if the curves are convex.
public enum WidthAllocation {
  /// - Parameter budget: cost of the modules of `curves` together at most, in the unit of their costs.
  /// - Returns: an index into `widths` for every module, or `nil` if even the narrowest widths exceed the budget.
  public static func allocate(_ curves: [ModuleCurve], budget: Int) -> [Int]? {
    let narrowest = curves.map { _ in 0 }
    if cost(narrowest, curves) > budget { return nil }
    var low = 0.0
    var high = 1e-30
    while cost(choice(curves, price: high), curves) > budget, high < 1e30 { high *= 16 }
    if cost(choice(curves, price: high), curves) > budget { return fill(narrowest, curves, budget: budget) }
    if cost(choice(curves, price: low), curves) <= budget { return choice(curves, price: low) }
    for _ in 0..<200 {
      let middle = low == 0 ? high / 2 : (low * high).squareRoot()
      if middle <= low || middle >= high { break }
      if cost(choice(curves, price: middle), curves) > budget { low = middle } else { high = middle }
    }
    return fill(choice(curves, price: high), curves, budget: budget)
  }

  private static func cost(_ choice: [Int], _ curves: [ModuleCurve]) -> Int {
    zip(choice, curves).reduce(0) { $0 + $1.1.costs[$1.0] }
  }

  private static func choice(_ curves: [ModuleCurve], price: Double) -> [Int] {
    curves.map { curve in
      let values = curve.widths.indices.map { index in
        curve.errors[index] + price * Double(curve.costs[index])
      }
      // Among equal values the widest is taken: a free unit is kept.
      return values.indices.min { (values[$0], $1) < (values[$1], $0) } ?? 0
    }
  }

  private static func fill(_ start: [Int], _ curves: [ModuleCurve], budget: Int) -> [Int] {
    var result = start
    var left = budget - cost(start, curves)
    while true {
      var best: (module: Int, level: Int, gain: Double, cost: Int)?
      for (module, curve) in curves.enumerated() {
        for level in curve.widths.indices.dropFirst(result[module] + 1) {
          let extra = curve.costs[level] - curve.costs[result[module]]
          if extra > left { break }
          let gain = (curve.errors[result[module]] - curve.errors[level]) / Double(max(1, extra))
          // A curve may rise again; the rest of the budget is not spent on that.
          if gain >= 0, best.map({ gain > $0.gain }) ?? true { best = (module, level, gain, extra) }
        }
      }
      guard let step = best else { return result }
      result[step.module] = step.level
      left -= step.cost
    }
  }
}
