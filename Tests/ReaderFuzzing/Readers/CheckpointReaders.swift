import Checkpoints
import Foundation
import LanguageModels
import Tokenizers

extension FuzzedReader {
  /// A safetensors file with all its values.
  static let safetensors = FuzzedReader(
    "safetensors", .safetensors,
    fixtures: ["Tests/CheckpointsTests/Fixtures/single/model.safetensors"],
    isRefusal: { $0 is CheckpointError },
    read: { input in try readValues(SafetensorsFile(safetensorsFolder.write(input, to: "model.safetensors"))) })

  private static let safetensorsFolder = InputFolder("safetensors")

  /// The index of a folder with two shards.
  static let safetensorsIndex = FuzzedReader(
    "safetensors-index", .text,
    fixtures: ["Tests/CheckpointsTests/Fixtures/sharded/model.safetensors.index.json"],
    isRefusal: { $0 is CheckpointError },
    read: { input in
      let index = try shardFolder.get().write(input, to: "model.safetensors.index.json")
      try readValues(SafetensorsCheckpoint(directory: index.deletingLastPathComponent()))
    })

  private static let shardFolder = Result {
    let folder = InputFolder("shards")
    for number in 1...2 {
      let shard = "model-0000\(number)-of-00002.safetensors"
      try folder.write(Repository.bytes("Tests/CheckpointsTests/Fixtures/sharded/\(shard)"), to: shard)
    }
    return folder
  }

  /// A GGUF file: metadata, all values, the model's shape, the tokenizer.
  static let gguf = FuzzedReader(
    "gguf", .gguf,
    fixtures: ["Tests/CheckpointsTests/Fixtures/metadata-v2.gguf", "Tests/CheckpointsTests/Fixtures/metadata-v3.gguf"],
    isRefusal: { $0 is CheckpointError },
    read: { input in
      let file = try GGUFFile(ggufFolder.write(input, to: "model.gguf"))
      try readValues(file)
      for key in file.keys {
        try Violation.require(file[key] != nil, "the key '\(key)' is listed but has no value")
        _ = file[key]?.array?.strings
      }
      // A file that holds no model or no tokenizer has been read all the same.
      try allowRefusal { try checkShape(ModelConfiguration(gguf: file)) }
      try allowRefusal { try checkEncoding(Tokenizer(gguf: GGUFVocabulary(file))) }
    })

  private static func allowRefusal(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch  where error is CheckpointError || error is ModelError || error is TokenizerError {}
  }

  private static let ggufFolder = InputFolder("gguf")
  /// Whatever opens can be read to the last value.
  private static func readValues(_ checkpoint: some Checkpoint) throws {
    for name in checkpoint.tensorNames {
      let tensor = try checkpoint.tensor(name)
      let values = try tensor.floats()
      try Violation.require(
        values.count == tensor.count && tensor.count == tensor.shape.reduce(1, *),
        "tensor '\(name)' of shape \(tensor.shape) gave \(values.count) values")
    }
  }
}

/// What the rest of the program computes from a shape at once.
func checkShape(_ configuration: ModelConfiguration) throws {
  try Violation.require(configuration.totalParameters >= 0, "the number of parameters is negative")
  guard configuration.headDimension <= 4096 else { return }
  let frequencies = configuration.rotary.frequencies(headDimension: configuration.headDimension)
  try Violation.require(
    frequencies.count == configuration.headDimension / 2,
    "\(frequencies.count) rotary frequencies for a head of \(configuration.headDimension)")
}
