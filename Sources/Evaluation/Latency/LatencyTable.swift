import LanguageModels

/// How long the parts of a model take at several widths, as measured on one machine with one engine (`latency.json`).
///
/// It holds what was measured. `LatencyCurve` makes of it a time for every width that never falls.
public struct LatencyTable: Codable, Equatable, Sendable {
  /// Name of the document's form, behind `nas-search.`.
  public static let schema = "latency"
  public static let version = 1

  /// The machine in words: processor, cores, accelerator.
  public var machine: String
  /// The engine in words: its name and version, type of the weights, number of threads.
  public var engine: String
  public var shape: Shape
  public var workloads: [Workload]

  public init(machine: String, engine: String, shape: Shape, workloads: [Workload]) {
    (self.machine, self.engine, self.shape, self.workloads) = (machine, engine, shape, workloads)
  }

  /// What decides the times of a model beside its widths, and the widths of its widest layer.
  public struct Shape: Codable, Equatable, Sendable {
    public var layers: Int
    public var hiddenSize: Int
    public var headDimension: Int
    public var queriesPerGroup: Int
    public var kvGroups: Int
    public var mlpChannels: Int
    public var vocabularySize: Int
  }

  /// One use of the model.
  public struct Workload: Codable, Equatable, Sendable {
    public enum Kind: String, Codable, Sendable {
      /// A prompt of `tokens` tokens is read.
      case prompt
      /// A token is generated behind `tokens` others.
      case generation
    }

    public var kind: Kind
    public var tokens: Int
    /// Sequences that go through the model together.
    public var batch: Int
    /// Embedding, final norm and output head.
    public var rest: Time
    /// The attention of one layer by its KV groups, ascending.
    public var attention: [WidthTime]
    /// The MLP of one layer by its channels, ascending.
    public var mlp: [WidthTime]

    public init(
      _ kind: Kind, tokens: Int, batch: Int = 1, rest: Time, attention: [WidthTime], mlp: [WidthTime]
    ) {
      (self.kind, self.tokens, self.batch) = (kind, tokens, batch)
      (self.rest, self.attention, self.mlp) = (rest, attention, mlp)
    }

    /// The name on the command line: `generation-128`, `prompt-512`, with a batch `generation-128x8`.
    public var name: String { "\(kind.rawValue)-\(tokens)" + (batch == 1 ? "" : "x\(batch)") }

    /// For people.
    public var words: String {
      let sequences = batch == 1 ? "" : " for \(batch) sequences together"
      return kind == .prompt
        ? "to read a prompt of \(tokens) tokens\(sequences)" : "a token behind \(tokens) tokens\(sequences)"
    }
  }

  public struct Time: Codable, Equatable, Sendable {
    public var seconds: Double
    /// How far repeated measurements lie apart: half of the range that the middle half of them takes.
    public var spread: Double

    public init(seconds: Double, spread: Double) { (self.seconds, self.spread) = (seconds, spread) }
  }

  public struct WidthTime: Codable, Equatable, Sendable {
    public var width: Int
    public var seconds: Double
    public var spread: Double

    public init(width: Int, seconds: Double, spread: Double) {
      (self.width, self.seconds, self.spread) = (width, seconds, spread)
    }
  }
}

public enum LatencyError: Error, Equatable, CustomStringConvertible {
  case invalid(String)
  case unknownWorkload(name: String, known: [String])
  case otherShape(name: String, table: Int, model: Int)
  case unfit(String)

  public var description: String {
    switch self {
    case .invalid(let problem): problem
    case .unknownWorkload(let name, let known):
      "the latency table has no workload '\(name)' (it has \(known.joined(separator: ", ")))"
    case .otherShape(let name, let table, let model):
      "the latency table is of another shape: its \(name) is \(table), that of the model \(model)"
    case .unfit(let problem): "a latency table does not fit: \(problem)"
    }
  }
}

// MARK: - Checks

extension LatencyTable {
  /// More seconds than any part takes: sums in nanoseconds stay whole numbers.
  private static let longest = 3600.0
  private static let widest = 1 << 20

  /// - Throws: `LatencyError.invalid` that names the entry.
  public func validate() throws(LatencyError) {
    if workloads.isEmpty { throw .invalid("'workloads' is empty") }
    let numbers = [
      shape.layers, shape.hiddenSize, shape.headDimension, shape.queriesPerGroup, shape.kvGroups, shape.mlpChannels,
      shape.vocabularySize,
    ]
    for number in numbers where !(1...1 << 24).contains(number) {
      throw .invalid("'shape' has a number \(number), which no model has")
    }
    for (place, workload) in workloads.enumerated() {
      if workloads[..<place].contains(where: { $0.name == workload.name }) {
        throw .invalid("the workload \(workload.name) is there twice")
      }
      guard (1...1 << 24).contains(workload.tokens), (1...1 << 16).contains(workload.batch) else {
        throw .invalid("a workload has \(workload.tokens) tokens and a batch of \(workload.batch)")
      }
      try Self.check("\(workload.name), rest", workload.rest.seconds, workload.rest.spread)
      try Self.check("\(workload.name), attention", workload.attention, upTo: shape.kvGroups)
      try Self.check("\(workload.name), mlp", workload.mlp, upTo: shape.mlpChannels)
    }
  }

  private static func check(_ name: String, _ times: [WidthTime], upTo width: Int) throws(LatencyError) {
    guard let last = times.last, last.width == width, width <= widest else {
      throw .invalid("\(name): the last width is \(times.last?.width ?? 0), the model's is \(width)")
    }
    for (place, time) in times.enumerated() {
      if time.width < 0 { throw .invalid("\(name): the width \(time.width) is negative") }
      if place > 0 && times[place - 1].width >= time.width {
        throw .invalid("\(name): the width \(time.width) is not above the one before")
      }
      try check("\(name), width \(time.width)", time.seconds, time.spread)
    }
    if last.seconds == 0 { throw .invalid("\(name): all of its width takes no time") }
  }

  private static func check(_ name: String, _ seconds: Double, _ spread: Double) throws(LatencyError) {
    guard (0...longest).contains(seconds), (0...longest).contains(spread) else {
      throw .invalid("\(name): \(seconds) seconds with a spread of \(spread)")
    }
  }

  /// The workload of a name; without one the first generation of one sequence, or else the first workload.
  ///
  /// - Throws: `LatencyError.unknownWorkload`.
  public func workload(_ name: String?) throws(LatencyError) -> Workload {
    let wanted = name.map { name in workloads.first { $0.name == name } }
    let usual = workloads.first { $0.kind == .generation && $0.batch == 1 } ?? workloads.first
    guard let found = wanted ?? usual else {
      throw .unknownWorkload(name: name ?? "generation", known: workloads.map(\.name))
    }
    return found
  }

  /// - Throws: `LatencyError.otherShape` for a model that the table was not made for, `.unfit` for one that no table is.
  public func check(_ configuration: ModelConfiguration) throws(LatencyError) {
    let model = try Shape(configuration)
    let pairs: [(String, Int, Int)] = [
      ("number of layers", shape.layers, model.layers), ("hidden size", shape.hiddenSize, model.hiddenSize),
      ("head dimension", shape.headDimension, model.headDimension),
      ("number of query heads a group", shape.queriesPerGroup, model.queriesPerGroup),
      ("number of KV groups", shape.kvGroups, model.kvGroups),
      ("number of MLP channels", shape.mlpChannels, model.mlpChannels),
      ("vocabulary", shape.vocabularySize, model.vocabularySize),
    ]
    for (name, mine, other) in pairs where mine != other {
      throw .otherShape(name: name, table: mine, model: other)
    }
  }
}

extension LatencyTable.Shape {
  /// - Throws: `LatencyError.unfit` for a model whose times are no sums over groups and channels.
  public init(_ configuration: ModelConfiguration) throws(LatencyError) {
    if configuration.block.experts != nil {
      throw .unfit("the model is a mixture of experts, whose times depend on the router")
    }
    let queries = Set(configuration.layers.map(\.queriesPerGroup)).subtracting([0])
    guard queries.count == 1, let each = queries.first else {
      throw .unfit("the layers of the model have \(queries.sorted()) query heads a group")
    }
    self.init(
      layers: configuration.layerCount, hiddenSize: configuration.hiddenSize,
      headDimension: configuration.headDimension, queriesPerGroup: each,
      kvGroups: configuration.layers.map(\.kvHeads).max() ?? 0,
      mlpChannels: configuration.layers.map(\.mlpChannels).max() ?? 0,
      vocabularySize: configuration.vocabularySize)
  }
}
