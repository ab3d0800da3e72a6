import Checkpoints
import Foundation
import LanguageModels
import Runtime

/// Checkpoints of random weights in the shape of a real model, to see what a machine can do before the real one is
/// there.
public enum SyntheticCheckpoint {
  /// Writes a Hugging Face folder with a tokenizer of about one token a byte. One layer is in memory at a time.
  ///
  /// - Parameters:
  ///   - type: type of the weights: `.f32`, `.f16` or `.bf16`.
  ///   - replacing: whether an earlier checkpoint of this program may be replaced.
  ///   - monitor: hears before each tensor of the MiB of values written so far and in all.
  /// - Returns: bytes of values.
  /// - Throws: `CheckpointError` where the destination exists or cannot be written.
  public static func write(
    _ shape: ModelShape, type: ElementType, seed: UInt64, to url: URL, replacing: Bool = false,
    monitor: Monitor = .silent
  ) throws -> Int {
    let network = SyntheticNetwork(shape.configuration, seed: seed)
    let form = try HuggingFaceForm.choice(for: network.configuration)
    let config = HuggingFaceConfiguration.config(
      network.configuration, parent: network.configuration, form: form, type: type)
    let tensors = NetworkTensors(
      network, names: .huggingFace(network.configuration.family), matrixType: { _, _ in type },
      vectorType: type, layout: TensorLayout(form, network.configuration))
    let bytes = { (plan: TensorPlan) in plan.shape.reduce(type == .f32 ? 4 : 2, *) }
    let total = tensors.plans.reduce(0) { $0 + bytes($1) }
    let destination = try Exporter.destination(url, ExportOptions(format: .huggingFace, replacing: replacing))
    try destination.rehearse()
    try DiskSpace.check([(place: url, bytes: total, what: "the weights")])
    let record: JSONValue = [
      "schema": "nas-search.synthesize", "version": 1, "shape": .string(shape.name), "seed": .string("\(seed)"),
    ]
    let files = [
      ("config.json", config), ("tokenizer.json", SyntheticTokenizer.file), (OwnExport.recordFile, record),
    ]
    return try destination.build { folder in
      for (name, value) in files {
        try AtomicFile.write(Data((value.text() + "\n").utf8), to: folder.appendingPathComponent(name))
      }
      var done = 0
      try SafetensorsWriter.write(tensors.plans, toDirectory: folder) { plan, write in
        try monitor.advance(.init(.randomWeights), done >> 20, of: total >> 20)
        try tensors.supply(plan, write)
        done += bytes(plan)
      }
      return total
    }
  }
}
