extension Family {
  /// Mistral, which differs from Llama by a head dimension of its own and a sliding window. Exported subnets of the Llama
  /// family carry this type, because it accepts any number of heads.
  public static let mistral = Family(
    name: "mistral", architectures: ["MistralForCausalLM", "NASMistralForCausalLM"],
    modelTypes: ["mistral"], ggufArchitectures: ["mistral"], ggufInterleavesRotaryRows: true,
    queryKeyValueBias: false, slidingWindowByDefault: true)
}
