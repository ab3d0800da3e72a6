import Checkpoints

extension Family {
  /// Ministral and Mistral 3: Mistral with windows in the layers that `layer_types` names, and, in the later ones, longer
  /// queries far behind the original context.
  ///
  /// Such a factor of the queries is not computed. It is 1 within the original context, which is therefore the longest.
  public static let ministral = Family(
    name: "ministral", architectures: ["MinistralForCausalLM", "Ministral3ForCausalLM", "NASMinistralForCausalLM"],
    modelTypes: ["ministral", "ministral3"], ggufArchitectures: ["mistral3"], ggufInterleavesRotaryRows: true,
    biases: .none, window: .allLayers,
    defaults: Defaults(
      vocabulary: 32_000, channels: 14_336, kvHeads: 8, context: 131_072, window: 4096, bosToken: 1, eosTokens: [2]),
    readHuggingFace: { config, configuration in
      let section = try config.sectionIfPresent("rope_parameters")
      guard let beta = try section?.doubleIfPresent("llama_4_scaling_beta"), beta != 0,
        let original = try section?.integerIfPresent("original_max_position_embeddings")
      else { return }
      configuration.keepContext(original, "llama_4_scaling_beta", config.file)
    },
    readGGUF: { file, architecture, configuration in
      guard let scale = try file.floatIfPresent("\(architecture).attention.temperature_scale"), scale != 0 else {
        return
      }
      let original = try file.integerIfPresent("\(architecture).rope.scaling.original_context_length")
      configuration.keepContext(original ?? 8192, "attention.temperature_scale", file.location.path)
    },
    ggufKeys: ["attention.temperature_scale"])
}

extension ModelConfiguration {
  fileprivate mutating func keepContext(_ original: Int, _ key: String, _ file: String) {
    guard original < contextLength else { return }
    Notices.tell("\(file): \(key) changes the network behind position \(original), so no longer sequences are taken")
    contextLength = original
  }
}
