import Checkpoints
import Foundation
import LanguageModels
import Runtime

/// Results of one pass over a network on disk, one safetensors file a layer.
struct LayerCache: Sendable {
  private static let costName = "cost.json"

  let folder: URL

  /// Opens a cache in its subfolder of `parent`; makes it if it is not there.
  ///
  /// - Parameters:
  ///   - content: description of the results and of their form on disk, a part of the key.
  ///   - fill: computes the results, and writes each layer to its `file` in the given folder.
  /// - Throws: `CheckpointError.unwritable`, and what `fill` throws. Nothing is left behind then.
  init(
    of content: String, in parent: URL, fingerprint: String, windows: TokenWindows,
    fill: (_ folder: URL, _ disk: WriteBehind) throws -> Void
  ) throws {
    let key = Fingerprint()
    key.add("\(content), windows of \(windows.length)")
    key.add(tokens: windows.tokens)
    folder = parent.appendingPathComponent("\(fingerprint)-\(key.text.prefix(16))")
    if FileManager.default.fileExists(atPath: folder.path) { return }
    do {
      try Destination(folder, .folder).build { temporary in
        let (_, cost) = try ComputationCost.measure { try WriteBehind.during { try fill(temporary, $0) } }
        try AtomicFile.write(
          StoredJSON.encoder().encode(cost), to: temporary.appendingPathComponent(Self.costName))
      }
    } catch is CheckpointError where FileManager.default.fileExists(atPath: folder.path) {
      // Another process computed the same meanwhile and was faster.
    }
  }

  /// Time and memory of the computation, so that each user of the results is told their price; `nil` if unknown.
  var cost: ComputationCost? {
    (try? Data(contentsOf: folder.appendingPathComponent(Self.costName))).flatMap {
      try? StoredJSON.decoder().decode(ComputationCost.self, from: $0)
    }
  }

  static func file(_ layer: Int, in folder: URL) -> URL {
    folder.appendingPathComponent("layer-\(layer).safetensors")
  }

  /// Reads a layer from its tensors, which `tensor` finds by name and shape.
  ///
  /// - Throws: `CalibrationError.damagedCache`.
  func layer<Layer>(
    _ index: Int, _ read: (_ tensor: (_ name: String, _ shape: [Int]) throws -> Tensor) throws -> Layer
  ) throws -> Layer {
    let url = Self.file(index, in: folder)
    do {
      let file = try SafetensorsFile(url)
      return try read { name, shape in
        let tensor = try file.tensor(name)
        if tensor.shape == shape { return tensor }
        throw damage("\(url.path): tensor '\(name)' has shape \(tensor.shape), not \(shape)")
      }
    } catch let error as CheckpointError {
      throw damage(error.description)
    }
  }

  func damage(_ problem: String) -> CalibrationError { .damagedCache(path: folder.path, problem: problem) }
}
