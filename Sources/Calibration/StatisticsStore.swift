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
    let place = folder.appendingPathComponent("\(fingerprint)-\(Self.fingerprint(of: windows))")
    if !FileManager.default.fileExists(atPath: place.path) {
      try AtomicDirectory.build(at: place) { temporary in
        try CacheCost.record(in: temporary) {
          try Self.collect(network, windows, into: temporary, record) {
            try monitor.advance(.init(.statistics, of: name), $0 + 1, of: network.configuration.layerCount)
          }
        }
      }
    }
    return StoredStatistics(
      name: name, tokens: windows.tokens.count, configuration: network.configuration, folder: place,
      cost: CacheCost.read(place))
  }

  private static func fingerprint(of windows: TokenWindows) -> String {
    let fingerprint = Fingerprint()
    fingerprint.add("statistics 5, windows of \(windows.length)")
    fingerprint.add(tokens: windows.tokens)
    return String(fingerprint.text.prefix(16))
  }

  private static func collect(
    _ network: some Network, _ windows: TokenWindows, into folder: URL, _ record: ResidualRecord?,
    progress: (_ layer: Int) throws -> Void
  ) throws {
    try record?.open(in: folder)
    try WriteBehind.during { disk in
      try StatisticsPass.run(network, on: windows, record: record) { index, statistics in
        try disk.write { try write(statistics, to: file(index, in: folder)) }
        try progress(index)
      }
    }
  }

  private static func write(_ statistics: LayerStatistics, to url: URL) throws {
    let energies = [Float(statistics.energyAfterAttention), Float(statistics.energyAfterMLP)]
    let grams = [
      "attention.input.gram": statistics.attentionInputGram, "mlp.input.gram": statistics.mlpInputGram,
      "context.gram": statistics.contextGram, "hidden.gram": statistics.hiddenGram,
    ]
    let vectors = [
      "context.magnitude": statistics.contextMagnitude, "context.mean": statistics.contextMean,
      "hidden.magnitude": statistics.hiddenMagnitude, "hidden.mean": statistics.hiddenMean, "energies": energies,
    ]
    let plans =
      grams.map { TensorPlan(name: $0, type: .f32, shape: [$1.triangleCount]) }
      + vectors.map { TensorPlan(name: $0, type: .f32, shape: [$1.count]) }
    try SafetensorsWriter.write(plans.sorted { $0.name < $1.name }, to: url) { plan, write in
      if let gram = grams[plan.name] {
        // The matrix is symmetric, so the rows from the diagonal on suffice.
        for i in 0..<gram.rows { try write(UnsafeBufferPointer(start: gram.row(i) + i, count: gram.columns - i)) }
      } else {
        try vectors[plan.name]?.withUnsafeBufferPointer(write)
      }
    }
  }

  fileprivate static func file(_ layer: Int, in folder: URL) -> URL {
    folder.appendingPathComponent("layer-\(layer).safetensors")
  }
}

/// Time and memory of the computation of a cache folder's content, kept in the folder: each user of the result is told
/// its price.
enum CacheCost {
  private static let name = "cost.json"

  static func record(in folder: URL, _ body: () throws -> Void) throws {
    let (_, cost) = try ComputationCost.measure(body)
    try AtomicFile.write(StoredJSON.encoder().encode(cost), to: folder.appendingPathComponent(name))
  }

  static func read(_ folder: URL) -> ComputationCost? {
    (try? Data(contentsOf: folder.appendingPathComponent(name))).flatMap {
      try? StoredJSON.decoder().decode(ComputationCost.self, from: $0)
    }
  }
}

/// Statistics on disk; a layer is mapped on request.
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
        let result = Matrix<Float>(uninitialized: order, columns: order)
        let tensor = try expect(file.tensor(name), [result.triangleCount])
        if order == 0 { return result }
        guard var source = tensor.directFloats?.baseAddress else {
          throw CalibrationError.damagedCache(
            path: folder.path, problem: "\(url.path): tensor '\(name)' is \(tensor.type.name), not F32")
        }
        for i in 0..<order {
          (result.row(i) + i).update(from: source, count: order - i)
          source += order - i
        }
        mirrorUpperTriangle(result)
        tensor.release()
        return result
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

extension Matrix where Scalar == Float {
  /// Elements on and above the diagonal of a square matrix.
  fileprivate var triangleCount: Int { rows * (rows + 1) / 2 }
}
