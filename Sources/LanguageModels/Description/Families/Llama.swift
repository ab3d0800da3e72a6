extension Family {
  /// Llama 1 to 3.x and what is built like it (SmolLM, TinyLlama, Vicuna, …).
  ///
  /// GGUF files of Mistral models carry the architecture `llama` too; `deci` is llama.cpp's form with widths per layer.
  public static let llama = Family(
    name: "llama", architectures: ["LlamaForCausalLM"], modelTypes: ["llama"], ggufArchitectures: ["llama", "deci"],
    ggufInterleavesRotaryRows: true, biases: .configured, window: .none,
    defaults: Defaults(vocabulary: 32_000, channels: 11_008, context: 2048, bosToken: 1, eosTokens: [2]))
}
