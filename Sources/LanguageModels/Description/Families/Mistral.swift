extension Family {
  /// Mistral, which differs from Llama by a head dimension of its own and a sliding window. Exported subnets of the Llama
  /// family carry this type, because it accepts any number of heads.
  public static let mistral = Family(
    name: "mistral", architectures: ["MistralForCausalLM", "NASMistralForCausalLM"],
    modelTypes: ["mistral"], ggufArchitectures: ["mistral"], ggufInterleavesRotaryRows: true,
    biases: .none, window: .allLayers,
    defaults: Defaults(
      vocabulary: 32_000, channels: 14_336, kvHeads: 8, context: 131_072, window: 4096, bosToken: 1, eosTokens: [2]))
}
