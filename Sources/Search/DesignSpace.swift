import LinearAlgebra

/// One candidate's choices: one value for each variable, in the order of the space.
///
/// An integer variable is stored as its value (a width of 384 is 384), a categorical one as the index of its choice. An
/// inactive variable (`Variable.Condition`) has its lowest value.
public typealias Genome = [Int]

/// One decision of a search.
public struct Variable: Hashable, Sendable {
  /// The values a variable may take.
  public enum Domain: Hashable, Sendable {
    /// `low`, `low + step`, … up to `high`.
    case integer(low: Int, high: Int, step: Int)
    /// One of the named choices.
    case categorical([String])
  }

  /// The condition under which a variable has a meaning: a categorical variable before it, itself without condition,
  /// has one of some choices.
  public struct Condition: Hashable, Codable, Sendable {
    public let variable: String
    public let choices: [String]

    public init(_ variable: String, isOneOf choices: [String]) {
      self.variable = variable
      self.choices = choices
    }
  }

  /// Unique in its space, for example `layers.3.mlp`.
  public let name: String
  public let domain: Domain
  /// The number of the variables that stay together in a crossover, usually the layer. Segments are ordered by it.
  public let segment: Int
  /// The part to which the variable belongs, for example `attention` or `mlp`. For reports; the optimisers ignore it.
  public let module: String
  /// The smallest value: `low`, or choice 0.
  public let lowest: Int
  /// The largest value: `high`, or the last choice.
  public let highest: Int
  /// The distance between neighbouring values; 1 for a categorical variable.
  public let step: Int
  /// `nil` for a variable that always has a meaning.
  public let condition: Condition?

  /// An integer whose `high` is not on the grid of `low` and `step` is lowered to the last value that is.
  ///
  /// - Throws: `SearchError.invalidVariable` if the domain is empty or not representable.
  public init(
    name: String, domain: Domain, segment: Int = 0, module: String = "", condition: Condition? = nil
  ) throws(SearchError) {
    self.name = name
    self.segment = segment
    self.module = module
    self.condition = condition
    if name.isEmpty { throw .invalidVariable(name: name, reason: "the name is empty") }
    switch domain {
    case .integer(let low, let high, let step):
      if step < 1 { throw .invalidVariable(name: name, reason: "the step \(step) is not positive") }
      if low > high { throw .invalidVariable(name: name, reason: "low \(low) is above high \(high)") }
      let (span, overflow) = high.subtractingReportingOverflow(low)
      if overflow || span == .max {
        throw .invalidVariable(name: name, reason: "the range \(low)...\(high) is too wide")
      }
      (lowest, highest, self.step) = (low, low + span / step * step, step)
      self.domain = .integer(low: low, high: highest, step: step)
    case .categorical(let choices):
      if choices.isEmpty { throw .invalidVariable(name: name, reason: "there is no choice") }
      if Set(choices).count < choices.count { throw .invalidVariable(name: name, reason: "a choice is listed twice") }
      (lowest, highest, step) = (0, choices.count - 1, 1)
      self.domain = domain
    }
  }

  /// Number of values that the variable may take.
  public var levels: Int { (highest - lowest) / step + 1 }

  /// Whether the values are choices without an order.
  public var isCategorical: Bool { if case .categorical = domain { true } else { false } }

  /// Whether the variable may take `value`.
  public func allows(_ value: Int) -> Bool {
    value >= lowest && value <= highest && (value - lowest) % step == 0
  }

  func random(using generator: inout SeededGenerator) -> Int {
    lowest + generator.integer(below: levels) * step
  }

  /// The allowed value nearest to `value`, the smaller one of two.
  public func nearest(to value: Int) -> Int {
    let inside = min(max(value, lowest), highest) - lowest
    let below = inside / step
    return lowest + (inside - below * step > step / 2 ? below + 1 : below) * step
  }
}

extension Variable: Codable {
  /// The stored form: either `"low", "high", "step"` or `"choices"`.
  private struct Stored: Codable {
    let name: String
    let segment: Int
    let module: String
    let condition: Condition?
    var low: Int?
    var high: Int?
    var step: Int?
    var choices: [String]?
  }

  public init(from decoder: any Decoder) throws {
    let stored = try Stored(from: decoder)
    let domain: Domain
    if let choices = stored.choices {
      domain = .categorical(choices)
    } else if let low = stored.low, let high = stored.high, let step = stored.step {
      domain = .integer(low: low, high: high, step: step)
    } else {
      throw SearchError.invalidVariable(name: stored.name, reason: "it has neither choices nor low, high and step")
    }
    try self.init(
      name: stored.name, domain: domain, segment: stored.segment, module: stored.module, condition: stored.condition)
  }

  public func encode(to encoder: any Encoder) throws {
    var stored = Stored(name: name, segment: segment, module: module, condition: condition)
    switch domain {
    case .integer(let low, let high, let step): (stored.low, stored.high, stored.step) = (low, high, step)
    case .categorical(let choices): stored.choices = choices
    }
    try stored.encode(to: encoder)
  }
}

/// All decisions of a search: an ordered list of variables.
public struct DesignSpace: Hashable, Codable, Sendable {
  public let variables: [Variable]
  private let conditions: [Activation]

  /// A variable that is active only if another has one of some values.
  private struct Activation: Hashable {
    let variable: Int
    let other: Int
    let values: Set<Int>
  }

  /// - Throws: `SearchError.duplicateVariable` if two variables share a name; `.invalidVariable` for a condition on
  ///   anything but choices of an earlier variable without condition.
  public init(_ variables: [Variable]) throws(SearchError) {
    var places: [String: Int] = [:]
    var conditions: [Activation] = []
    for (index, variable) in variables.enumerated() {
      if places[variable.name] != nil { throw .duplicateVariable(name: variable.name) }
      if let condition = variable.condition {
        guard let other = places[condition.variable], variables[other].condition == nil,
          case .categorical(let choices) = variables[other].domain, Set(choices).isSuperset(of: condition.choices)
        else {
          throw .invalidVariable(
            name: variable.name,
            reason: "its condition must be on choices of an earlier variable, not on '\(condition.variable)'")
        }
        let values = choices.indices.filter { condition.choices.contains(choices[$0]) }
        conditions.append(Activation(variable: index, other: other, values: Set(values)))
      }
      places[variable.name] = index
    }
    self.variables = variables
    self.conditions = conditions
  }

  /// Whether a variable has a meaning in a genome.
  public func isActive(_ index: Int, in genome: Genome) -> Bool {
    conditions.allSatisfy { $0.variable != index || $0.values.contains(genome[$0.other]) }
  }

  /// The genome with inactive variables at their lowest values.
  public func canonical(_ genome: Genome) -> Genome {
    if conditions.isEmpty { return genome }
    var result = genome
    for condition in conditions where !condition.values.contains(genome[condition.other]) {
      result[condition.variable] = variables[condition.variable].lowest
    }
    return result
  }

  public init(from decoder: any Decoder) throws {
    try self.init(decoder.singleValueContainer().decode([Variable].self))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(variables)
  }

  /// Number of genomes; `nil` if it does not fit an `Int`. Budgets and conditions are not considered.
  public var size: Int? {
    var size = 1
    for variable in variables {
      let (product, overflow) = size.multipliedReportingOverflow(by: variable.levels)
      if overflow { return nil }
      size = product
    }
    return size
  }

  /// The genome of all smallest values (first choices).
  public var lowest: Genome { variables.map(\.lowest) }

  /// The genome of all largest integers, with the first choice of each categorical variable.
  public var highest: Genome { variables.map { $0.isCategorical ? 0 : $0.highest } }

  /// - Throws: `SearchError.wrongGenomeLength`, `SearchError.valueOutsideDomain`.
  public func validate(_ genome: Genome) throws(SearchError) {
    try checkLength(of: genome)
    for (variable, value) in zip(variables, genome) where !variable.allows(value) {
      let domain =
        switch variable.domain {
        case .integer(let low, let high, let step): "\(low)...\(high) step \(step)"
        case .categorical(let choices): "the indices of \(choices)"
        }
      throw .valueOutsideDomain(variable: variable.name, value: value, domain: domain)
    }
    for condition in conditions where !condition.values.contains(genome[condition.other]) {
      let (variable, value) = (variables[condition.variable], genome[condition.variable])
      if value != variable.lowest {
        throw .valueOutsideDomain(
          variable: variable.name, value: value, domain: "\(variable.lowest)...\(variable.lowest), as it is not active")
      }
    }
  }

  func checkLength(of genome: Genome) throws(SearchError) {
    if genome.count != variables.count {
      throw .wrongGenomeLength(expected: variables.count, found: genome.count)
    }
  }

  /// The genome in words: `name=value` for each variable, separated by spaces.
  public func describe(_ genome: Genome) -> String {
    variables.indices.filter { isActive($0, in: genome) }.map { index in
      let (variable, value) = (variables[index], genome[index])
      if case .categorical(let choices) = variable.domain, choices.indices.contains(value) {
        return "\(variable.name)=\(choices[value])"
      }
      return "\(variable.name)=\(value)"
    }.joined(separator: " ")
  }
}

extension [Int] {
  /// The genome as text: its values separated by commas. Only equal genomes have equal text.
  public var canonical: String { map(String.init).joined(separator: ",") }

  /// 64-bit FNV-1a hash of `canonical`, stable between runs and machines.
  ///
  /// Source: Fowler, Noll, Vo, <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>.
  public var stableHash: UInt64 {
    canonical.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }
}
