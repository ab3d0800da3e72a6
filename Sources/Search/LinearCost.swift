/// What a genome costs where every unit of width costs the same wherever the others stand:
/// `base + Σ weights[i] · genome[i]`, in any unit (parameters, bytes, multiply-adds a token).
public struct LinearCost: CostTable, Hashable, Codable {
  /// The cost that no choice changes.
  public let base: Int
  /// Cost per unit of value, one a variable; 0 for categorical variables and for integers that cost nothing.
  public let weights: [Int]

  public init(base: Int, weights: [Int]) {
    self.base = base
    self.weights = weights
  }

  /// A cost of zero, for spaces without a budget.
  public static func free(_ space: DesignSpace) -> LinearCost {
    LinearCost(base: 0, weights: space.variables.map { _ in 0 })
  }

  /// The sum of the magnitudes of costs, which is to leave room for the differences and sums that the fitting forms.
  ///
  /// - Throws: `SearchError.invalidCost` above a quarter of the range.
  static func sum(_ sum: UInt, _ cost: (partialValue: UInt, overflow: Bool)) throws(SearchError) -> UInt {
    let (result, overflow) = sum.addingReportingOverflow(cost.partialValue)
    if cost.overflow || overflow || result > UInt(Int.max / 4) {
      throw .invalidCost(reason: "the largest cost does not fit 62 bits")
    }
    return result
  }

  public func cost(_ genome: Genome) -> Int {
    zip(weights, genome).reduce(base) { $0 + $1.0 * $1.1 }
  }

  public func cost(of variable: Int, at value: Int) -> Int { weights[variable] * value }

  public func unitCost(of variable: Int) -> Int? { weights[variable] }

  /// Checks that there is one weight a variable, none negative, none on a choice or under a condition, and that no cost
  /// leaves `Int`.
  ///
  /// - Throws: `SearchError.invalidCost`.
  public func validate(for space: DesignSpace) throws(SearchError) {
    if weights.count != space.variables.count {
      throw .invalidCost(reason: "\(weights.count) weights for \(space.variables.count) variables")
    }
    var largest = base.magnitude
    for (variable, weight) in zip(space.variables, weights) {
      if weight < 0 { throw .invalidCost(reason: "the weight \(weight) of '\(variable.name)' is negative") }
      let obstacle = variable.condition != nil ? "has a condition" : variable.isCategorical ? "is categorical" : nil
      if weight > 0, let obstacle {
        throw .invalidCost(reason: "'\(variable.name)' \(obstacle) and cannot have the weight \(weight)")
      }
      let extreme = max(variable.lowest.magnitude, variable.highest.magnitude)
      largest = try Self.sum(largest, extreme.multipliedReportingOverflow(by: weight.magnitude))
    }
  }
}

/// The allowed costs of a candidate.
public struct Budget: Hashable, Codable, Sendable {
  public let maximum: Int?
  public let minimum: Int?
  /// One cost target: every candidate that the search makes is filled up to `maximum`. Otherwise candidates span the
  /// costs from `minimum` (or the cheapest) to `maximum` (or the dearest).
  public let useWholeBudget: Bool

  public init(maximum: Int? = nil, minimum: Int? = nil, useWholeBudget: Bool = false) {
    self.maximum = maximum
    self.minimum = minimum
    self.useWholeBudget = useWholeBudget
  }
}
