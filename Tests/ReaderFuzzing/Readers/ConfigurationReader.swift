import Checkpoints
import Foundation
import LanguageModels

extension FuzzedReader {
  /// A `config.json` up to the model's shape and its rotary frequencies.
  static let config = FuzzedReader(
    "config", .text,
    fixtures: [
      "llama-linear/config.json", "llama-mha/config.json", "llama3-gqa/config.json",
      "llama3-gqa/config-rope_scaling.json",
      "mistral-gqa/config.json", "qwen2-bias/config.json",
    ].map { "Tests/Fixtures/models/\($0)" },
    isRefusal: { $0 is CheckpointError || $0 is ModelError },
    read: { input in
      let config = try HuggingFaceConfig(folder.write(input, to: "config.json"))
      let configuration = try ModelConfiguration(huggingFace: config)
      try checkShape(configuration)
    })

  private static let folder = InputFolder("config")
}
