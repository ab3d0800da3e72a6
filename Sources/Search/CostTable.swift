/// The cost of a genome: a sum over its variables, in any unit (parameters, bytes, microseconds).
///
/// A budget and its space take any table. No cost may fall when a variable grows.
public protocol CostTable: Sendable {
  /// The cost of a genome of the space that the table was made for.
  func cost(_ genome: Genome) -> Int

  /// The part of the cost that a variable adds at a value.
  func cost(of variable: Int, at value: Int) -> Int

  /// The cost of one unit of value, if it is the same between all values of the variable; else `nil`.
  func unitCost(of variable: Int) -> Int?

  /// - Throws: `SearchError.invalidCost` if the table does not belong to the space or a cost falls.
  func validate(for space: DesignSpace) throws(SearchError)
}

/// A cost with a number for every value of every variable, such as a time that was measured once for each width.
public struct SteppedCost: CostTable, Hashable, Codable {
  /// The cost that no choice changes.
  public let base: Int
  /// Lowest value and step of each variable.
  private let grids: [Grid]
  /// Costs of each variable by the number of steps above its lowest value. One number: the variable costs the same at
  /// every value.
  private let costs: [[Int]]

  private struct Grid: Hashable, Codable {
    let lowest: Int
    let step: Int
  }

  /// - Parameter cost: the part of the cost that a variable adds at a value. Choices cost nothing.
  public init(base: Int, for space: DesignSpace, cost: (_ variable: Int, _ value: Int) -> Int) {
    self.base = base
    grids = space.variables.map { Grid(lowest: $0.lowest, step: max(1, $0.step)) }
    costs = space.variables.enumerated().map { index, variable in
      if variable.isCategorical { return [0] }
      return (0..<max(1, variable.levels)).map { cost(index, variable.lowest + $0 * variable.step) }
    }
  }

  public func cost(_ genome: Genome) -> Int {
    genome.indices.reduce(base) { $0 + cost(of: $1, at: genome[$1]) }
  }

  public func cost(of variable: Int, at value: Int) -> Int {
    let costs = costs[variable]
    if costs.count == 1 { return costs[0] }
    return costs[min(max(0, (value - grids[variable].lowest) / grids[variable].step), costs.count - 1)]
  }

  public func unitCost(of variable: Int) -> Int? {
    let costs = costs[variable]
    guard costs.count > 1 else { return 0 }
    let first = costs[1] - costs[0]
    let isEven = zip(costs, costs.dropFirst()).allSatisfy { $1 - $0 == first }
    return isEven && first % grids[variable].step == 0 ? first / grids[variable].step : nil
  }

  public func validate(for space: DesignSpace) throws(SearchError) {
    if costs.count != space.variables.count {
      throw .invalidCost(reason: "\(costs.count) tables for \(space.variables.count) variables")
    }
    var largest = base.magnitude
    for (variable, costs) in zip(space.variables, costs) {
      let isFree = costs.allSatisfy { $0 == 0 }
      if costs.count > 1 && costs.count != variable.levels {
        throw .invalidCost(reason: "\(costs.count) costs for the \(variable.levels) values of '\(variable.name)'")
      }
      if variable.condition != nil && !isFree {
        throw .invalidCost(reason: "'\(variable.name)' has a condition and cannot have a cost")
      }
      if let fall = costs.indices.dropFirst().first(where: { costs[$0] < costs[$0 - 1] }) {
        throw .invalidCost(reason: "the cost of '\(variable.name)' falls from \(costs[fall - 1]) to \(costs[fall])")
      }
      largest = try LinearCost.sum(largest, (max(costs[0].magnitude, costs[costs.count - 1].magnitude), false))
    }
  }
}
