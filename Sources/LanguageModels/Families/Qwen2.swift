extension Family {
  /// Qwen 2 and 2.5: biases on query, key and value.
  public static let qwen2 = Family(
    name: "qwen2", architectures: ["Qwen2ForCausalLM"], modelTypes: ["qwen2"], ggufArchitectures: ["qwen2"],
    ggufInterleavesRotaryRows: false, queryKeyValueBias: true, slidingWindowByDefault: false)
}
