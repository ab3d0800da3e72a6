import Evaluation
import Foundation
import LanguageModels
import LinearAlgebra
import Runtime
import Subnets

/// A table of times that is to be measured on this machine with this program's engine.
public struct LatencyRequest: Codable, Equatable, Sendable {
  public var model: String
  /// Tokens behind which a token is generated.
  public var contexts = [128]
  /// Sequences that are generated together.
  public var batches = [1]
  /// Lengths of prompts.
  public var prompts = [256]
  /// Widths of the MLP that are measured.
  public var widths = 8
  /// How often each time is taken.
  public var rounds = 15
  public var precision = Precision.single

  public static let standard = LatencyRequest(model: "")

  public init(model: String) { self.model = model }

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    try PipelineError.require(
      !contexts.isEmpty || !prompts.isEmpty, "--contexts and --prompts are empty: there is nothing to measure")
    for (option, numbers, most) in [
      ("contexts", contexts, 1 << 20), ("batches", batches, 1 << 12), ("prompts", prompts, 1 << 20),
    ] {
      try PipelineError.require(
        numbers.allSatisfy { (1...most).contains($0) } && Set(numbers).count == numbers.count,
        "--\(option) is a list of different numbers from 1 to \(most)")
    }
    try PipelineError.require(!batches.isEmpty || contexts.isEmpty, "--batches is empty")
    try PipelineError.require((1...256).contains(widths), "--widths must be between 1 and 256")
    try PipelineError.require((3...1000).contains(rounds), "--rounds must be between 3 and 1000")
  }
}

/// Measures how long attention and MLP take at several widths.
///
/// Networks of a few layers, all of one width, take turns with the dense one: what slows the machine for a while falls out
/// of the difference. A layer takes what more layers take longer, its attention what layers without one take less.
public struct LatencyJob {
  private let request: LatencyRequest
  private let context: JobContext

  /// Weights of a network's layers at least, in bytes, so that no cache holds them; and layers at least.
  private static let leastBytes = 128 << 20
  private static let leastLayers = 4

  public init(_ request: LatencyRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  /// A network to be timed, by what differs from the dense one.
  private enum Variant {
    /// A quarter of the layers.
    case few
    /// Only the first layer has one.
    case noAttention
    case groups(Int)
    case channels(Int)
  }

  private typealias Workload = (kind: LatencyTable.Workload.Kind, tokens: Int, batch: Int)

  /// - Throws: whatever is wrong with the request or the model, before anything slow; `CancellationError`.
  public func run(_ monitor: Monitor = .silent) throws -> LatencyTable {
    try request.validate()
    let model = try context.model(request.model)
    let configuration = model.configuration
    let shape: LatencyTable.Shape
    do { shape = try LatencyTable.Shape(configuration) } catch {
      throw PipelineError.damaged(path: request.model, problem: "\(error)")
    }
    guard configuration.isUniform, shape.mlpChannels > 0 else {
      throw PipelineError.damaged(
        path: request.model, problem: "its layers have different widths; a table is measured on a dense model")
    }
    let longest = configuration.longestContext
    for tokens in request.contexts.map({ $0 + TimedPair.tokens(rounds: request.rounds) }) + request.prompts
    where tokens > longest {
      throw PipelineError.invalidOption("\(tokens) tokens exceed the model's context of \(longest)")
    }
    let bytes = configuration.parameters(of: configuration.layers[0]) * MemoryLayout<Float>.stride
    let layers = min(
      configuration.layerCount, max(Self.leastLayers, (Self.leastBytes + bytes - 1) / bytes))
    guard layers > 1 else {
      throw PipelineError.damaged(path: request.model, problem: "a model of one layer has no table")
    }
    let workloads: [Workload] =
      request.contexts.flatMap { tokens in request.batches.map { (.generation, tokens, $0) } }
      + request.prompts.map { (.prompt, $0, 1) }
    let measured = try workloads.enumerated().map { number, workload in
      try measure(workload, model, layers: layers, shape, monitor.part(number, of: workloads.count))
    }
    let precision = request.precision.rawValue
    let table = LatencyTable(
      machine: "\(Processor.name), \(Threads.count) threads", engine: "nas-search \(context.toolVersion), \(precision)",
      shape: shape, workloads: measured)
    do { try table.validate() } catch {
      throw PipelineError.invalidOption(
        "the times contradict each other (\(error)): measure on a quieter machine, or with more --rounds")
    }
    return table
  }

  /// Widths of the MLP: evenly spread, whole tiles of 8 if it has several.
  private func channels(_ shape: LatencyTable.Shape) -> [Int] {
    let tile = shape.mlpChannels >= 64 ? 8 : 1
    let found = (1...request.widths).map { number in
      min(shape.mlpChannels, max(tile, shape.mlpChannels * number / request.widths / tile * tile))
    }
    return Set(found).subtracting([shape.mlpChannels]).sorted()
  }

  private func measure(
    _ workload: Workload, _ model: LanguageModel, layers: Int, _ shape: LatencyTable.Shape, _ monitor: Monitor
  ) throws -> LatencyTable.Workload {
    let variants: [Variant] =
      [.few, .noAttention] + (1..<shape.kvGroups).map { .groups($0) } + channels(shape).map { .channels($0) }
    let few = max(1, layers / 4)
    let dense = try network(model, layers: layers) { _ in (shape.kvGroups, shape.mlpChannels) }
    var (layer, attention) = (Spread(), Spread())
    var (groups, mlp): ([LatencyTable.WidthTime], [LatencyTable.WidthTime]) = ([], [])
    var denseTimes: [Double] = []
    for (number, variant) in variants.enumerated() {
      try monitor.advance(
        .init(.timing, of: "\(workload.kind.rawValue)-\(workload.tokens)"), number, of: variants.count)
      let other = try network(model, layers: { if case .few = variant { few } else { layers } }()) { index in
        switch variant {
        case .few: (shape.kvGroups, shape.mlpChannels)
        case .noAttention: (index == 0 ? shape.kvGroups : 0, shape.mlpChannels)
        case .groups(let groups): (groups, shape.mlpChannels)
        case .channels(let channels): (shape.kvGroups, channels)
        }
      }
      let pair = try TimedPair(dense, other, workload.kind, tokens: workload.tokens, batch: workload.batch, request)
      denseTimes += pair.dense
      switch variant {
      case .few: layer = pair.saving(over: layers - few)
      case .noAttention: attention = pair.saving(over: layers - 1)
      case .groups(let width):
        let saving = pair.saving(over: layers)
        groups.append(.init(width: width, seconds: attention.median - saving.median, spread: saving.halfRange))
      case .channels(let width):
        let saving = pair.saving(over: layers)
        mlp.append(.init(width: width, seconds: -saving.median, spread: saving.halfRange))
      }
    }
    let whole = Spread(denseTimes)
    // What is left is the rest's, which is next to nothing for a prompt.
    let each = min(layer.median, whole.median / Double(layers))
    attention.median = min(attention.median, each)
    let ofMLP = LatencyTable.WidthTime(
      width: shape.mlpChannels, seconds: each - attention.median, spread: layer.halfRange + attention.halfRange)
    groups.append(.init(width: shape.kvGroups, seconds: attention.median, spread: attention.halfRange))
    return LatencyTable.Workload(
      workload.kind, tokens: workload.tokens, batch: workload.batch,
      rest: .init(seconds: max(0, whole.median - Double(layers) * each), spread: whole.halfRange),
      attention: groups.map(Self.notNegative),
      mlp: (mlp.map { .init(width: $0.width, seconds: $0.seconds + ofMLP.seconds, spread: $0.spread) } + [ofMLP])
        .map(Self.notNegative))
  }

  private static func notNegative(_ time: LatencyTable.WidthTime) -> LatencyTable.WidthTime {
    .init(width: time.width, seconds: max(0, time.seconds), spread: time.spread)
  }

  /// The first layers of the model with the first units of each, in memory.
  private func network(
    _ model: LanguageModel, layers: Int, _ width: (Int) -> (groups: Int, channels: Int)
  ) throws -> Subnet<LanguageModel> {
    var configuration = model.configuration
    if !configuration.attentionKinds.isEmpty {
      configuration.attentionKinds = Array(configuration.attentionKinds.prefix(layers))
    }
    var weights: [LayerWeights] = []
    configuration.layers = try (0..<layers).map { index in
      let (groups, channels) = width(index)
      let (shape, dimension) = (model.configuration.layers[index], model.configuration.headDimension)
      let units = KeptUnits(groups: Array(0..<groups), channels: Array(0..<channels))
      weights.append(try model.layer(index).inherit(units, from: shape, headDimension: dimension))
      return units.shape(of: shape)
    }
    return Subnet(of: model, configuration: configuration) { [weights] in weights[$0] }
  }
}
