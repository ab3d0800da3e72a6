import Checkpoints
import Foundation
import LanguageModels
import LinearAlgebra
import Runtime

/// Statistics on disk, one safetensors file a layer, keyed by the model and the calibration windows.
///
/// One streaming pass gathers them and holds one layer's statistics at a time. They are mapped when read.
public struct StatisticsStore: Sendable {
  private let folder: URL

  /// - Parameter folder: folder with one subfolder per (model, windows); created when needed.
  public init(folder: URL) { self.folder = folder }

  /// The statistics of a network on windows: read from disk if they are there, else computed and stored.
  ///
  /// - Parameters:
  ///   - fingerprint: fingerprint of the network.
  ///   - record: record that takes the residual stream of the first windows if the statistics are computed.
  ///   - monitor: hears of each layer that is done, if the statistics are computed.
  /// - Throws: `CheckpointError.unwritable`, and what the network and the monitor throw. Nothing is left behind then.
  public func statistics(
    name: String, of network: some Network, fingerprint: String, windows: TokenWindows,
    record: ResidualRecord? = nil, monitor: Monitor = .silent
  ) throws -> any Statistics {
    let cache = try LayerCache(of: "statistics 6", in: folder, fingerprint: fingerprint, windows: windows) {
      temporary, disk in
      try record?.open(in: temporary)
      try StatisticsPass.run(network, on: windows, record: record) { index, statistics in
        try disk.write { try Self.write(statistics, to: LayerCache.file(index, in: temporary)) }
        try monitor.advance(.init(.statistics, of: name), index + 1, of: network.configuration.layerCount)
      }
    }
    return StoredStatistics(
      name: name, tokens: windows.tokens.count, configuration: network.configuration, cache: cache, cost: cache.cost)
  }

  /// The statistics of a network's layers in other surroundings: of all its units on the residual stream of a pruned
  /// network, with what their outputs lack. Read from disk if they are there, else computed and stored.
  ///
  /// - Parameters:
  ///   - fingerprint: fingerprint of the network and of the surroundings.
  ///   - fill: computes the statistics, and hands them out in the order of the layers.
  /// - Throws: `CheckpointError.unwritable`, and what `fill` and the monitor throw. Nothing is left behind then.
  public func statistics(
    name: String, around configuration: ModelConfiguration, fingerprint: String, windows: TokenWindows,
    monitor: Monitor = .silent,
    fill: (_ body: (_ layer: Int, _ statistics: LayerStatistics) throws -> Void) throws -> Void
  ) throws -> any Statistics {
    let cache = try LayerCache(of: "prefix statistics 1", in: folder, fingerprint: fingerprint, windows: windows) {
      temporary, disk in
      try fill { index, statistics in
        try disk.write { try Self.write(statistics, to: LayerCache.file(index, in: temporary)) }
        try monitor.advance(.init(.statistics, of: name), index + 1, of: configuration.layerCount)
      }
    }
    return StoredStatistics(
      name: name, tokens: windows.tokens.count, configuration: configuration, cache: cache, cost: cache.cost,
      areOfPrefix: true)
  }

  private static func write(_ statistics: LayerStatistics, to url: URL) throws {
    let energies = [Float(statistics.energyAfterAttention), Float(statistics.energyAfterMLP)]
    let weights = [Float(statistics.contextWeight), Float(statistics.hiddenWeight)]
    let grams = [
      "attention.input.gram": statistics.attentionInputGram, "mlp.input.gram": statistics.mlpInputGram,
      "context.gram": statistics.contextGram, "hidden.gram": statistics.hiddenGram,
    ]
    var vectors = [
      "context.magnitude": statistics.contextMagnitude, "context.mean": statistics.contextMean,
      "hidden.magnitude": statistics.hiddenMagnitude, "hidden.mean": statistics.hiddenMean, "energies": energies,
      "weights": weights,
    ]
    if !statistics.queryShares.isEmpty { vectors["query.shares"] = statistics.queryShares }
    if !statistics.keyShares.isEmpty { vectors["key.shares"] = statistics.keyShares }
    if !statistics.expertUse.isEmpty {
      (vectors["expert.use"], vectors["expert.lengths"]) = (statistics.expertUse, statistics.expertLengths)
    }
    if let (context, hidden) = statistics.lacking {
      (vectors["context.lacking"], vectors["hidden.lacking"]) = (context.elements, hidden.elements)
    }
    let plans =
      grams.map { TensorPlan(name: $0, type: .f32, shape: [$1.triangleCount]) }
      + vectors.map { TensorPlan(name: $0, type: .f32, shape: [$1.count]) }
    try SafetensorsWriter.write(plans.sorted { $0.name < $1.name }, to: url) { plan, write in
      if let gram = grams[plan.name] {
        // The matrices are symmetric, so the rows from the diagonal on suffice.
        for i in 0..<gram.rows {
          let diagonal = i % gram.columns
          try write(UnsafeBufferPointer(start: gram.row(i) + diagonal, count: gram.columns - diagonal))
        }
      } else {
        try vectors[plan.name]?.withUnsafeBufferPointer(write)
      }
    }
  }
}

/// Statistics on disk; a layer is mapped on request.
private struct StoredStatistics: Statistics {
  let name: String
  let tokens: Int
  let configuration: ModelConfiguration
  let cache: LayerCache
  let cost: ComputationCost?
  /// Whether the layers have moments of what their outputs lack.
  var areOfPrefix = false

  var layerCount: Int { configuration.layerCount }

  func layer(_ index: Int) throws -> LayerStatistics {
    let shape = configuration.layers[index]
    return try cache.layer(index) { tensor in
      func vector(_ name: String, _ count: Int) throws -> [Float] { try tensor(name, [count]).floats() }
      func gram(_ name: String, _ order: Int, blocks: Int = 1) throws -> Matrix<Float> {
        let result = Matrix<Float>(uninitialized: blocks * order, columns: order)
        let tensor = try tensor(name, [result.triangleCount])
        if result.count == 0 { return result }
        guard var source = tensor.directFloats?.baseAddress else {
          throw cache.damage("\(tensor.file): tensor '\(name)' is \(tensor.type.name), not F32")
        }
        for i in 0..<result.rows {
          let diagonal = i % order
          (result.row(i) + diagonal).update(from: source, count: order - diagonal)
          source += order - diagonal
        }
        for block in 0..<blocks { mirrorUpperTriangle(result.rows(block * order..<(block + 1) * order)) }
        tensor.release()
        return result
      }
      let context = shape.queryHeads * configuration.headDimension
      func shares(_ name: String, _ norm: LayerPart, _ heads: Int) throws -> [Float] {
        heads > 0 && configuration.block.parts.contains(norm) ? try vector(name, heads) : []
      }
      let experts = configuration.block.experts == nil ? 0 : shape.mlpChannels
      let channels = configuration.activations(of: shape)
      func lacking(_ name: String, _ inputs: Int) throws -> Matrix<Float>? {
        let size = configuration.hiddenSize
        return areOfPrefix ? Matrix(try tensor(name, [inputs * size]).floats(), rows: inputs, columns: size) : nil
      }
      let (energies, weights) = (try vector("energies", 2), try vector("weights", 2))
      return LayerStatistics(
        attentionInputGram: try gram("attention.input.gram", configuration.hiddenSize),
        mlpInputGram: try gram("mlp.input.gram", configuration.hiddenSize),
        contextGram: try gram("context.gram", context), contextMagnitude: try vector("context.magnitude", context),
        contextMean: try vector("context.mean", context),
        hiddenGram: try gram(
          "hidden.gram", configuration.hiddenGramColumns(of: shape),
          blocks: configuration.block.experts == nil ? 1 : experts),
        hiddenMagnitude: try vector("hidden.magnitude", channels), hiddenMean: try vector("hidden.mean", channels),
        contextLacking: try lacking("context.lacking", context), hiddenLacking: try lacking("hidden.lacking", channels),
        energyAfterAttention: Double(energies[0]), energyAfterMLP: Double(energies[1]),
        contextWeight: Double(weights[0]), hiddenWeight: Double(weights[1]),
        queryShares: try shares("query.shares", .allQueriesNorm, shape.queryHeads),
        keyShares: try shares("key.shares", .allKeysNorm, shape.kvHeads),
        expertUse: experts > 0 ? try vector("expert.use", experts) : [],
        expertLengths: experts > 0 ? try vector("expert.lengths", experts) : [])
    }
  }
}

extension LayerStatistics {
  /// Both moments of what outputs lack; `nil` if there are none.
  fileprivate var lacking: (context: Matrix<Float>, hidden: Matrix<Float>)? {
    contextLacking.flatMap { context in hiddenLacking.map { (context, $0) } }
  }
}

extension Matrix where Scalar == Float {
  /// Elements on and above the diagonals of square matrices, one below the other.
  fileprivate var triangleCount: Int { rows * (columns + 1) / 2 }
}
