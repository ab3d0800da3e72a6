import Search
import Subnets

/// What a search minimises or maximises: one number for every subnet.
///
/// A new objective is one file, and one line in `ObjectiveRegistry.all`; `docs/adding-an-objective.md` shows one. The
/// search, its front, its reports and its files follow from what the objective says here.
public protocol Objective: Sendable {
  /// The name on the command line and in every file, such as `kl`.
  var name: String { get }
  /// The name for people, such as `KL`.
  var title: String { get }
  /// The unit of the values, such as `nats a token`; empty for a plain number.
  var unit: String { get }
  /// How a value is measured, in a sentence or two.
  var summary: String { get }
  /// How reports write a value.
  var style: NumberStyle { get }
  /// Whether smaller or larger values are better.
  var direction: Direction { get }
  /// What a value is computed from.
  var needs: ObjectiveNeed { get }
  /// True if one genome has one value, on every machine and at every time. A measured time has not. Results that workers
  /// deliver for the same candidate must agree in the reproducible objectives.
  var isReproducible: Bool { get }

  /// The value of a subnet; `nil` if the subnet was not measured as `needs` says.
  func value(of subnet: EvaluatedSubnet) -> Double?

  /// The standard error of that value; `nil` if it is none of a sample.
  func standardError(of subnet: EvaluatedSubnet) -> Double?

  /// The cost of the genomes of a space, in steps of which a value is the number; `nil` if the value is no sum over
  /// layers, parts and widths. An objective with a cost needs no model of its values: a search knows them beforehand.
  func cost(in space: BoundSpace) -> (any CostTable)?

  /// The place of a value between the best imaginable one (0) and the worst corner of the hypervolume (1), beyond which
  /// nothing counts.
  ///
  /// - Parameter dense: value of the dense model.
  func shortfall(_ value: Double, dense: Double) -> Double
}

public enum ObjectiveNeed: Sendable {
  /// The widths of the subnet's layers alone.
  case widths
  /// The comparison with the dense model on the fitness windows.
  case comparison
  /// Answers to the development items of a task.
  case answers
}

/// How many digits of a value reports show.
public enum NumberStyle: String, Codable, Sendable {
  /// Four decimals, for divergences.
  case divergence
  /// Two decimals, powers of ten from 100 000, for perplexities.
  case large
  /// A share of 1 as a percentage.
  case share
  /// Thousands, millions or billions.
  case count
  /// Megabytes or gigabytes.
  case bytes
  /// Nanoseconds, as microseconds, milliseconds or seconds.
  case time
  /// Four significant digits.
  case plain
}

extension Objective {
  public var title: String { name }
  public var unit: String { "" }
  public var style: NumberStyle { .plain }
  public var direction: Direction { .minimize }
  public var needs: ObjectiveNeed { .comparison }
  public var isReproducible: Bool { true }

  public func standardError(of subnet: EvaluatedSubnet) -> Double? { nil }

  public func cost(in space: BoundSpace) -> (any CostTable)? { nil }

  /// The value as a share of the dense model's, or what is missing of that share if larger is better.
  public func shortfall(_ value: Double, dense: Double) -> Double {
    guard dense > 0 else { return 0 }
    return direction == .minimize ? value / dense : max(0, 1 - value / dense)
  }

  /// What a report says about the objective.
  public var description: ObjectiveDescription {
    ObjectiveDescription(
      name: name, title: title, unit: unit, summary: summary, style: style, direction: direction,
      isSize: needs == .widths, isSampled: needs == .answers)
  }
}

/// An objective in words, as reports show it.
public struct ObjectiveDescription: Codable, Equatable, Sendable {
  public var name: String
  public var title: String
  public var unit: String
  public var summary: String
  public var style: NumberStyle
  public var direction: Direction
  /// True if the widths alone decide the value.
  public var isSize: Bool
  /// True if the value is one of a sample, with a standard error.
  public var isSampled: Bool

  public init(
    name: String, title: String, unit: String = "", summary: String, style: NumberStyle, direction: Direction,
    isSize: Bool, isSampled: Bool = false
  ) {
    (self.name, self.title, self.unit, self.summary) = (name, title, unit, summary)
    (self.style, self.direction, self.isSize, self.isSampled) = (style, direction, isSize, isSampled)
  }
}
