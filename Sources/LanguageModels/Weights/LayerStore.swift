import Foundation
import LinearAlgebra
import Runtime
import Synchronization

/// Layers that were made once and are asked for several times: in memory if all of them fit into
/// `MemoryPlan.finishedLayers`, else on disk.
public final class LayerStore: Sendable {
  private enum Entry {
    case inMemory(LayerWeights)
    /// The layer with empty projections, and where they lie, in the order of `LayerPart.projections`.
    case onDisk(LayerWeights, [ScratchFile.Place])
  }

  private let entries: Mutex<[Int: Entry]>
  private let file: ScratchFile?

  /// - Parameter configuration: configuration of the network that the layers belong to.
  /// - Throws: `ModelError.scratch` if no file can be made in the plan's `scratch`.
  public init(_ configuration: ModelConfiguration, within memory: MemoryPlan) throws {
    entries = Mutex([:])
    if Self.keepsInMemory(configuration, within: memory) {
      file = nil
    } else {
      let folder = memory.scratch
      // Whatever is wrong with the folder shows when the file is opened.
      try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      file = try ScratchFile(in: folder)
    }
  }

  /// Whether the layers of a network stay in memory.
  public static func keepsInMemory(_ configuration: ModelConfiguration, within memory: MemoryPlan) -> Bool {
    configuration.blockParameters * MemoryLayout<Float>.size <= memory.finishedLayers
  }

  /// - Throws: `ModelError.scratch` where the disk is full.
  public func store(_ index: Int, _ layer: LayerWeights) throws {
    var entry = Entry.inMemory(layer)
    if let file {
      var rest = layer
      let places = try LayerPart.projections.map { part in
        let place = try file.append(layer[part].weight)
        rest[part].weight = Matrix(rows: 0, columns: 0)
        return place
      }
      entry = .onDisk(rest, places)
    }
    entries.withLock { $0[index] = entry }
  }

  /// A layer that was stored before.
  public func layer(_ index: Int) throws -> LayerWeights {
    guard let entry = entries.withLock({ $0[index] }) else { preconditionFailure("layer \(index) was never stored") }
    switch entry {
    case .inMemory(let layer): return layer
    case .onDisk(var layer, let places):
      guard let file else { return layer }
      for (part, place) in zip(LayerPart.projections, places) { layer[part].weight = try file.read(place) }
      return layer
    }
  }
}
