/// Errors of a design space, a budget or the use of an optimiser.
public enum SearchError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A variable that cannot hold a value; `reason` says why.
  case invalidVariable(name: String, reason: String)
  /// Two variables of one space share a name.
  case duplicateVariable(name: String)
  /// A genome with too many or too few values for its space.
  case wrongGenomeLength(expected: Int, found: Int)
  /// A value that its variable does not allow.
  case valueOutsideDomain(variable: String, value: Int, domain: String)
  /// A cost function that does not belong to the space; `reason` says why.
  case invalidCost(reason: String)
  /// A budget that contradicts itself; `reason` says why.
  case invalidBudget(reason: String)
  /// No genome of the space has a cost that the budget allows. `lowest` and `highest` are the cheapest and the dearest
  /// genome.
  case infeasibleBudget(minimum: Int?, maximum: Int?, lowest: Int, highest: Int)
  /// A setting of an optimiser that makes no sense; `reason` says why.
  case invalidSettings(reason: String)
  /// `ask` was called although the next candidate depends on results that have not been told yet.
  case resultsPending(ordinals: [Int])
  /// A result for a candidate that was never asked.
  case unknownOrdinal(Int)
  /// A second result for a candidate.
  case alreadyTold(Int)
  /// A result with too many or too few objectives.
  case wrongObjectiveCount(ordinal: Int, expected: Int, found: Int)
  /// A result that is not a finite number; tell it as a failure.
  case objectiveNotFinite(ordinal: Int, values: [Double])
  /// A measure that is not defined for so many objectives.
  case unsupportedObjectiveCount(measure: String, supported: String, found: Int)

  public var description: String {
    switch self {
    case .invalidVariable(let name, let reason): "variable '\(name)': \(reason)"
    case .duplicateVariable(let name): "two variables are named '\(name)'"
    case .wrongGenomeLength(let expected, let found): "the space has \(expected) variables, the genome \(found) values"
    case .valueOutsideDomain(let variable, let value, let domain):
      "variable '\(variable)': \(value) is not in \(domain)"
    case .invalidCost(let reason): "cost: \(reason)"
    case .invalidBudget(let reason): "budget: \(reason)"
    case .infeasibleBudget(let minimum, let maximum, let lowest, let highest):
      "no candidate costs \(Self.band(minimum, maximum)): the space reaches from \(lowest) to \(highest)"
    case .invalidSettings(let reason): "search settings: \(reason)"
    case .resultsPending(let ordinals):
      "the next candidate needs the results of \(ordinals.map(String.init).joined(separator: ", ")) first"
    case .unknownOrdinal(let ordinal): "candidate \(ordinal) was never asked"
    case .alreadyTold(let ordinal): "candidate \(ordinal) already has a result"
    case .wrongObjectiveCount(let ordinal, let expected, let found):
      "candidate \(ordinal): \(expected) objectives expected, \(found) told"
    case .objectiveNotFinite(let ordinal, let values): "candidate \(ordinal): objectives \(values) are not all finite"
    case .unsupportedObjectiveCount(let measure, let supported, let found):
      "\(measure) is defined for \(supported) objectives, not for \(found)"
    }
  }

  private static func band(_ minimum: Int?, _ maximum: Int?) -> String {
    switch (minimum, maximum) {
    case (let low?, let high?): low == high ? "exactly \(low)" : "between \(low) and \(high)"
    case (let low?, nil): "at least \(low)"
    case (nil, let high?): "at most \(high)"
    case (nil, nil): "anything"
    }
  }
}
