import Checkpoints

/// Files in GGUF that hold something else than a language model.
enum GGUFContent {
  private struct Kind: Sendable {
    let name: String
    let advice: String
    let matches: @Sendable (GGUFFile) -> Bool
  }

  /// - Throws: `ModelError.otherContent`.
  static func requireModel(_ file: GGUFFile) throws {
    guard let kind = kinds.first(where: { $0.matches(file) }) else { return }
    throw ModelError.otherContent(path: file.location.path, found: kind.name, advice: kind.advice)
  }

  private static func says(_ key: String, _ values: String...) -> @Sendable (GGUFFile) -> Bool {
    { file in file[key]?.string.map(values.contains) ?? false }
  }

  private static func holds(_ suffixes: String...) -> @Sendable (GGUFFile) -> Bool {
    { file in file.tensorNames.contains { name in suffixes.contains { name.hasSuffix($0) } } }
  }

  /// Names, keys and types: `GGUFType` and `constants.py` of the Python package gguf. A new kind is one entry.
  private static let kinds = [
    Kind(
      name: "a LoRA adapter",
      advice: "'llama-export-lora -m MODEL.gguf --lora ADAPTER.gguf -o OUT.gguf' of llama.cpp merges it into its model"
    ) { says("general.type", "adapter")($0) || $0["adapter.type"] != nil || holds(".lora_a", ".loraA")($0) },
    Kind(name: "an importance matrix", advice: "give the model that it was made for") {
      says("general.type", "imatrix")($0) || $0["imatrix.datasets"] != nil || holds(".in_sum2")($0)
    },
    Kind(
      name: "the image or sound encoder of a model (mmproj)", advice: "give the language model that it belongs to"
    ) { says("general.type", "mmproj", "clip-vision")($0) || says("general.architecture", "clip")($0) },
    Kind(name: "a control vector", advice: "give the model that it steers") {
      says("general.architecture", "controlvector")($0)
    },
    Kind(name: "a vocabulary without weights", advice: "give the file that holds the model's tensors") {
      $0.tensorNames.isEmpty && $0["general.architecture"] != nil
    },
  ]
}
