import LanguageModels
import Search
import Subnets

/// The time of a workload as a table of measurements foretells it.
///
/// It is a sum over the modules, so a budget of time is kept exactly, and it is the same for every worker.
public struct Latency: Objective, Equatable {
  public static let objectiveName = "latency"

  public let table: LatencyTable
  public let workload: LatencyTable.Workload
  /// Nanoseconds of what is outside the layers.
  public let outside: Int
  /// Of a layer's attention by groups, and of its MLP by channels.
  private let attention: [Int]
  private let mlp: [Int]

  public var name: String { Self.objectiveName }
  public let title = "latency"
  public let unit = "nanoseconds"
  public let style = NumberStyle.time
  public let needs = ObjectiveNeed.widths

  public var summary: String {
    "The predicted time \(workload.words) (\(workload.name) of the latency table): the sum of the times that were measured "
      + "for each width of attention and MLP, on \(table.machine) with \(table.engine)."
  }

  /// - Parameter workload: name of one of the table's; `nil` for the usual one (`LatencyTable.workload`).
  /// - Throws: `LatencyError.invalid` and `.unknownWorkload`.
  public init(_ table: LatencyTable, workload name: String? = nil) throws(LatencyError) {
    try table.validate()
    self.table = table
    workload = try table.workload(name)
    outside = Self.nanoseconds(workload.rest.seconds)
    attention = Self.times(workload.attention, upTo: table.shape.kvGroups)
    mlp = Self.times(workload.mlp, upTo: table.shape.mlpChannels)
  }

  private static func nanoseconds(_ seconds: Double) -> Int { Int((seconds * 1e9).rounded()) }

  private static func times(_ measured: [LatencyTable.WidthTime], upTo width: Int) -> [Int] {
    let curve = LatencyCurve(measured)
    return (0...width).map { nanoseconds(curve.seconds(at: $0)) }
  }

  /// Nanoseconds of a layer's attention with so many KV groups.
  public func attention(groups: Int) -> Int { attention[min(max(0, groups), attention.count - 1)] }

  /// Nanoseconds of a layer's MLP with so many channels.
  public func mlp(channels: Int) -> Int { mlp[min(max(0, channels), mlp.count - 1)] }

  /// Nanoseconds of a model of the table's shape with any widths.
  public func nanoseconds(of configuration: ModelConfiguration) -> Int {
    configuration.layers.reduce(outside) { $0 + attention(groups: $1.kvHeads) + mlp(channels: $1.mlpChannels) }
  }

  public func value(of subnet: EvaluatedSubnet) -> Double? { Double(nanoseconds(of: subnet.configuration)) }

  public func cost(in space: BoundSpace) -> (any CostTable)? { steppedCost(in: space) }

  /// Nanoseconds of genomes.
  public func steppedCost(in space: BoundSpace) -> SteppedCost {
    let copies = space.space.layers == .shared ? space.configuration.layerCount : 1
    let variables = space.design.variables
    return SteppedCost(base: outside, for: space.design) { variable, value in
      switch variables[variable].module {
      case "attention": copies * attention(groups: value)
      case "mlp": copies * mlp(channels: value)
      default: 0
      }
    }
  }

  /// - Throws: `LatencyError` if the times of the space's subnets do not follow from the table.
  public func check(_ space: BoundSpace) throws(LatencyError) {
    try table.check(space.configuration)
    if let queries = space.space.attention.queries {
      throw .unfit("the space keeps \(queries) query heads of every group, and the table knows whole groups only")
    }
  }
}
