import Checkpoints
import Foundation
import LanguageModels
import LinearAlgebra

/// Statistics on disk, one safetensors file a layer, keyed by the model and the calibration windows.
///
/// They are gathered in one streaming pass that holds one layer's statistics at a time, and mapped when read.
public struct StatisticsStore: Sendable {
  private let folder: URL

  /// - Parameter folder: holds one subfolder per (model, windows); created when needed.
  public init(folder: URL) { self.folder = folder }

  /// The statistics of a network on windows: from disk where they are, else computed and stored.
  ///
  /// - Parameters:
  ///   - fingerprint: of the network.
  ///   - progress: told each layer that is done; what it throws ends the computation.
  /// - Throws: `CheckpointError.unwritable`, and what the network and `progress` throw. Nothing is left behind then.
  public func statistics(
    name: String, of network: some Network, fingerprint: String, windows: TokenWindows,
    progress: ((_ layer: Int) throws -> Void)? = nil
  ) throws -> any Statistics {
    let place = folder.appendingPathComponent("\(fingerprint)-\(Self.fingerprint(of: windows))")
    if !FileManager.default.fileExists(atPath: place.path) {
      try AtomicDirectory.build(at: place) { temporary in
        try CacheCost.record(in: temporary) { try Self.collect(network, windows, into: temporary, progress) }
      }
    }
    return StoredStatistics(
      name: name, tokens: windows.tokens.count, configuration: network.configuration, folder: place,
      cost: CacheCost.read(place))
  }

  private static func fingerprint(of windows: TokenWindows) -> String {
    var fingerprint = Fingerprint()
    fingerprint.add("statistics 4, windows of \(windows.length)")
    fingerprint.add(tokens: windows.tokens)
    return String(fingerprint.text.prefix(16))
  }

  private static func collect(
    _ network: some Network, _ windows: TokenWindows, into folder: URL, _ progress: ((Int) throws -> Void)?
  ) throws {
    try StatisticsPass.run(network, on: windows) { index, statistics in
      try write(statistics, to: file(index, in: folder))
      try progress?(index)
    }
  }

  private static func write(_ statistics: LayerStatistics, to url: URL) throws {
    let energies = [Float(statistics.energyAfterAttention), Float(statistics.energyAfterMLP)]
    let plans = [
      TensorPlan(
        name: "attention.input.gram", type: .f32,
        shape: [statistics.attentionInputGram.rows, statistics.attentionInputGram.rows]),
      TensorPlan(
        name: "mlp.input.gram", type: .f32, shape: [statistics.mlpInputGram.rows, statistics.mlpInputGram.rows]),
      TensorPlan(name: "context.gram", type: .f32, shape: [statistics.contextGram.rows, statistics.contextGram.rows]),
      TensorPlan(name: "context.magnitude", type: .f32, shape: [statistics.contextMagnitude.count]),
      TensorPlan(name: "context.mean", type: .f32, shape: [statistics.contextMean.count]),
      TensorPlan(name: "hidden.gram", type: .f32, shape: [statistics.hiddenGram.rows, statistics.hiddenGram.rows]),
      TensorPlan(name: "hidden.magnitude", type: .f32, shape: [statistics.hiddenMagnitude.count]),
      TensorPlan(name: "hidden.mean", type: .f32, shape: [statistics.hiddenMean.count]),
      TensorPlan(name: "energies", type: .f32, shape: [2]),
    ]
    try SafetensorsWriter.write(plans, to: url) { plan, write in
      func matrix(_ matrix: Matrix<Float>) throws {
        try write(UnsafeBufferPointer(start: matrix.pointer, count: matrix.count))
      }
      switch plan.name {
      case "attention.input.gram": try matrix(statistics.attentionInputGram)
      case "mlp.input.gram": try matrix(statistics.mlpInputGram)
      case "context.gram": try matrix(statistics.contextGram)
      case "hidden.gram": try matrix(statistics.hiddenGram)
      case "context.magnitude": try statistics.contextMagnitude.withUnsafeBufferPointer(write)
      case "hidden.magnitude": try statistics.hiddenMagnitude.withUnsafeBufferPointer(write)
      case "context.mean": try statistics.contextMean.withUnsafeBufferPointer(write)
      case "hidden.mean": try statistics.hiddenMean.withUnsafeBufferPointer(write)
      default: try energies.withUnsafeBufferPointer(write)
      }
    }
  }

  fileprivate static func file(_ layer: Int, in folder: URL) -> URL {
    folder.appendingPathComponent("layer-\(layer).safetensors")
  }
}

/// What it took to compute what a cache folder holds, kept in it: who uses the result is told the price, whoever paid it.
enum CacheCost {
  private static let name = "cost.json"

  static func record(in folder: URL, _ body: () throws -> Void) throws {
    let (_, cost) = try ComputationCost.measure(body)
    try AtomicFile.write(JSONEncoder().encode(cost), to: folder.appendingPathComponent(name))
  }

  static func read(_ folder: URL) -> ComputationCost? {
    (try? Data(contentsOf: folder.appendingPathComponent(name))).flatMap {
      try? JSONDecoder().decode(ComputationCost.self, from: $0)
    }
  }
}

/// Statistics that lie on disk; a layer is mapped when asked for.
private struct StoredStatistics: Statistics {
  let name: String
  let tokens: Int
  let configuration: ModelConfiguration
  let folder: URL
  let cost: ComputationCost?

  var layerCount: Int { configuration.layerCount }

  func layer(_ index: Int) throws -> LayerStatistics {
    let shape = configuration.layers[index]
    let url = StatisticsStore.file(index, in: folder)
    do {
      let file = try SafetensorsFile(url)
      func vector(_ name: String, _ count: Int) throws -> [Float] { try expect(file.tensor(name), [count]).floats() }
      func gram(_ name: String, _ order: Int) throws -> Matrix<Float> {
        Matrix(try expect(file.tensor(name), [order, order]).floats(), rows: order, columns: order)
      }
      func expect(_ tensor: Tensor, _ shape: [Int]) throws -> Tensor {
        if tensor.shape == shape { return tensor }
        throw CalibrationError.damagedCache(
          path: folder.path,
          problem: "\(url.path): tensor '\(tensor.name)' has shape \(tensor.shape), not \(shape)")
      }
      let context = shape.queryHeads * configuration.headDimension
      let energies = try vector("energies", 2)
      return LayerStatistics(
        attentionInputGram: try gram("attention.input.gram", configuration.hiddenSize),
        mlpInputGram: try gram("mlp.input.gram", configuration.hiddenSize),
        contextGram: try gram("context.gram", context), contextMagnitude: try vector("context.magnitude", context),
        contextMean: try vector("context.mean", context),
        hiddenGram: try gram("hidden.gram", shape.mlpChannels),
        hiddenMagnitude: try vector("hidden.magnitude", shape.mlpChannels),
        hiddenMean: try vector("hidden.mean", shape.mlpChannels),
        energyAfterAttention: Double(energies[0]), energyAfterMLP: Double(energies[1]))
    } catch let error as CheckpointError {
      throw CalibrationError.damagedCache(path: folder.path, problem: error.description)
    }
  }
}
