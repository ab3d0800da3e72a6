import Checkpoints
import Foundation

/// What a place holds that was given as a model, for places that hold something else.
enum ModelFolder {
  /// The one line that turns weights that only Python reads into safetensors.
  private static func converting(_ path: String) -> String {
    let code =
      "import sys; from transformers import AutoModelForCausalLM as M, AutoTokenizer as T; p = sys.argv[1]; "
      + "o = p + '-safetensors'; M.from_pretrained(p, dtype='auto').save_pretrained(o); T.from_pretrained(p).save_pretrained(o)"
    return "python3 -c \"\(code)\" \(ShellWord.quoted(path))"
  }

  /// Whether the model is a single file, and so GGUF.
  ///
  /// - Throws: `CheckpointError.unreadable` where there is nothing, `ModelError.otherContent` and `.notAModel` for a folder of
  ///   something else.
  static func isFile(_ location: URL) throws -> Bool {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: location.path, isDirectory: &isDirectory) else {
      throw CheckpointError.unreadable(path: location.path, reason: "no such file or folder")
    }
    if !isDirectory.boolValue {
      let file = try MappedFile(location)
      if FileKind(file.bytes) == .safetensors {
        throw ModelError.otherContent(
          path: location.path, found: "safetensors alone",
          advice: "give the folder that it lies in, with its config.json")
      }
      return true
    }
    try check(location)
    return false
  }

  private static func check(_ folder: URL) throws {
    let content = (try? FileManager.default.contentsOfDirectory(atPath: folder.path))?.sorted() ?? []
    func other(_ found: String, _ advice: String) -> ModelError {
      .otherContent(path: folder.path, found: found, advice: advice)
    }
    let hasConfiguration = content.contains("config.json")
    let hasWeights =
      content.contains(SafetensorsCheckpoint.singleFileName) || content.contains(SafetensorsCheckpoint.indexFileName)
    if hasConfiguration && hasWeights {
      if content.contains("adapter_config.json") {
        Notices.tell("\(folder.path): the adapter that lies beside the model (adapter_config.json) is not applied")
      }
      return
    }
    if content.contains("adapter_config.json") {
      throw other("an adapter (adapter_config.json)", "merge it into its base model first (merge_and_unload of peft)")
    }
    if let pickle = content.first(where: {
      $0.hasPrefix("pytorch_model") && ($0.hasSuffix(".bin") || $0.hasSuffix(".json"))
    }) {
      throw other("weights as a Python pickle (\(pickle))", "convert them with: \(converting(folder.path))")
    }
    for (name, found) in [("tf_model.h5", "TensorFlow weights"), ("flax_model.msgpack", "Flax weights")]
    where content.contains(name) {
      throw other("\(found) (\(name))", "give the checkpoint's safetensors")
    }
    if let original = content.first(where: { $0.hasPrefix("consolidated") }) {
      throw other("the publisher's original format (\(original))", "give the checkpoint in the form of transformers")
    }
    if let gguf = content.first(where: { $0.lowercased().hasSuffix(".gguf") }), !hasConfiguration {
      throw other("GGUF and no config.json", "give the file itself: \(folder.appendingPathComponent(gguf).path)")
    }
    if let shard = content.first(where: { $0.hasSuffix(".safetensors") }), hasConfiguration {
      throw other(
        "'\(shard)', but neither \(SafetensorsCheckpoint.singleFileName) nor \(SafetensorsCheckpoint.indexFileName)",
        "without one of these it is not known which files belong to the model")
    }
    if !hasConfiguration { throw ModelError.notAModel(path: folder.path) }
    throw CheckpointError.unreadable(
      path: folder.path,
      reason: "it has neither \(SafetensorsCheckpoint.singleFileName) nor \(SafetensorsCheckpoint.indexFileName)")
  }
}

extension ModelConfiguration {
  /// What a model says of itself, without a look at its weights.
  ///
  /// - Throws: as the initialisers for either format, and what `ModelFolder.isFile` throws.
  public init(of location: URL) throws {
    self =
      try ModelFolder.isFile(location)
      ? ModelConfiguration(gguf: GGUFFile(location))
      : ModelConfiguration(huggingFace: HuggingFaceConfig(directory: location))
  }
}
