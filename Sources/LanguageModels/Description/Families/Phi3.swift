import Checkpoints

extension Family {
  /// Phi 3, 3.5 and 4: Llama with query, key and value in one tensor, gate and up in another, and heads of which a part
  /// may be turned.
  ///
  /// Subnets are written with the parts one by one, in Llama's containers, which take any number of heads: llama.cpp's
  /// `phi3` wants heads that fill the hidden size. Dimensions that are not turned get a frequency of nearly zero there.
  public static let phi3 = Family(
    name: "phi3", architectures: ["Phi3ForCausalLM"], modelTypes: ["phi3"], ggufArchitectures: ["phi3"],
    ggufInterleavesRotaryRows: false, biases: .none, window: .allLayers,
    defaults: Defaults(
      vocabulary: 32_064, hidden: 3072, channels: 8192, context: 4096, normEpsilon: 1e-5, bosToken: 1,
      eosTokens: [32_000], turnedShare: 1),
    readGGUF: { file, architecture, configuration in
      // llama.cpp takes the factors of LongRoPE whenever they are stored.
      guard case .longrope = configuration.rotary.scaling else {
        try longrope(file, architecture, &configuration)
        return
      }
    },
    joinedParts: [
      JoinedParts([.query, .key, .value], huggingFace: "self_attn.qkv_proj", gguf: "attn_qkv"),
      JoinedParts([.gate, .up], huggingFace: "mlp.gate_up_proj", gguf: "ffn_up"),
    ])

  private static func longrope(
    _ file: GGUFFile, _ architecture: String, _ configuration: inout ModelConfiguration
  ) throws {
    let names = ["rope_factors_short.weight", "rope_factors_long.weight"]
    guard names.allSatisfy(file.contains) else { return }
    let original = try file.integerIfPresent("\(architecture).rope.scaling.original_context_length")
    configuration.rotary.scaling = .longrope(
      LongRopeScaling(
        short: try file.tensor(names[0]).floats(), long: try file.tensor(names[1]).floats(),
        originalContext: Double(original ?? configuration.contextLength), extension: 1,
        attentionFactor: try file.floatIfPresent("\(architecture).rope.scaling.attn_factor") ?? 1))
  }
}
