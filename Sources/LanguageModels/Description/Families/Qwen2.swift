extension Family {
  /// Qwen 2 and 2.5: biases on query, key and value.
  public static let qwen2 = Family(
    name: "qwen2", architectures: ["Qwen2ForCausalLM"], modelTypes: ["qwen2"], ggufArchitectures: ["qwen2"],
    ggufInterleavesRotaryRows: false, biases: .queryKeyValue, window: .switched,
    defaults: Defaults(
      vocabulary: 151_936, channels: 22_016, kvHeads: 32, context: 32_768, window: 4096, windowLayers: 28))
}
