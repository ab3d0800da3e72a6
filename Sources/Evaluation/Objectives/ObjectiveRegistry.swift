import Search

/// All objectives by name.
public enum ObjectiveRegistry {
  public static let all: [any Objective] = [
    KLDivergence(), TokenPerplexity(), TopOne(), BlockParameters(), WeightBytes(),
  ]

  /// The same with the time that a table foretells, if there is a table, and with tasks.
  public static func all(with latency: Latency?, tasks: [DevelopmentTask] = []) -> [any Objective] {
    all + (latency.map { [$0] } ?? []) + tasks.map(TaskLoss.init)
  }

  /// What is measured of a subnet: the same with the accuracies on the tasks, which are no objectives.
  public static func measured(with latency: Latency?, tasks: [DevelopmentTask]) -> [any Objective] {
    all(with: latency, tasks: tasks) + tasks.map(TaskAccuracy.init)
  }
}

/// The objectives of a study, the most important first. "The best subnet" is the one with the best value of the first.
public struct ObjectiveList: Sendable {
  public let all: [any Objective]

  /// - Parameter known: objectives that may be named.
  /// - Throws: `ObjectiveError`.
  public init(_ names: [String], known: [any Objective] = ObjectiveRegistry.all) throws(ObjectiveError) {
    guard (1...3).contains(names.count) else { throw .count(names.count) }
    var found: [any Objective] = []
    for name in names {
      guard let objective = known.first(where: { $0.name == name }) else {
        throw .unknown(name: name, known: known.map(\.name))
      }
      if found.contains(where: { $0.name == name }) { throw .repeated(name: name) }
      found.append(objective)
    }
    guard found.contains(where: { $0.needs != .widths }) else { throw .onlySizes(names) }
    all = found
  }

  public var first: any Objective { all[0] }
  public var names: [String] { all.map(\.name) }
  public var directions: [Direction] { all.map(\.direction) }

  /// The values of a measured subnet as they are, NaN for one that was not measured.
  public func values(_ measured: SubnetMeasurement) -> [Double] { all.map { measured.values[$0.name] ?? .nan } }

  /// The values as an optimiser wants them: smaller is better in each.
  public func minimized(_ measured: SubnetMeasurement) -> [Double] {
    zip(directions, values(measured)).map { $0.minimized($1) }
  }
}

public enum ObjectiveError: Error, Equatable, CustomStringConvertible {
  case unknown(name: String, known: [String])
  case repeated(name: String)
  case count(Int)
  case onlySizes([String])

  public var description: String {
    switch self {
    case .unknown(let name, let known): "unknown objective '\(name)' (known: \(known.joined(separator: ", ")))"
    case .repeated(let name): "the objective '\(name)' is given twice"
    case .count(let count): "a search has one to three objectives, not \(count)"
    case .onlySizes(let names):
      "\(names.joined(separator: ", ")): the widths alone decide; name an objective that looks at what a subnet says"
    }
  }
}
