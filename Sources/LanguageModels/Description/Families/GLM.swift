extension Family {
  /// GLM 4 of the first form (`glm`), and ChatGLM 2 and 3: Llama with gate and up in one tensor, biases on query,
  /// key and value, and half of each head turned, neighbour with neighbour. Its subnets go into Llama's containers.
  public static let glm = Family(
    name: "glm", architectures: ["GlmForCausalLM"], modelTypes: ["glm"], ggufArchitectures: ["chatglm"],
    ggufInterleavesRotaryRows: true, biases: .glm, window: .none, defaults: glmDefaults,
    interleavesRotaryRows: true, joinedParts: [glmGateAndUp], dialects: [.chatGLM])

  /// GLM 4 of 2025 (`glm4`): the same with norms behind attention and MLP, too.
  public static let glm4 = Family(
    name: "glm4", architectures: ["Glm4ForCausalLM", "NASGlm4ForCausalLM"], modelTypes: ["glm4"],
    ggufArchitectures: ["glm4"], ggufInterleavesRotaryRows: true,
    partNames: PartName.common.merging([
      .attentionPostNorm: PartName("post_self_attn_layernorm", gguf: "post_attention_norm"),
      .mlpPostNorm: PartName("post_mlp_layernorm", gguf: "post_ffw_norm"),
    ]) { $1 },
    biases: .glm, window: .none, defaults: glmDefaults, interleavesRotaryRows: true, joinedParts: [glmGateAndUp],
    huggingFaceForms: [
      HuggingFaceForm(
        architecture: "Glm4ForCausalLM", modelType: "glm4", biases: .glm, window: .none, turnsPart: true,
        joinsParts: true, members: { _ in HuggingFaceForm.classKeys }),
      HuggingFaceForm(
        architecture: "NASGlm4ForCausalLM", modelType: "glm4", biases: .glm, window: .none,
        module: .widths(
          of: "glm4", class: "Glm4", model: "Glm4Model",
          norms: (["input_layernorm", "post_self_attn_layernorm"], ["post_attention_layernorm", "post_mlp_layernorm"])),
        turnsPart: true, joinsParts: true, members: { _ in HuggingFaceForm.classKeys }),
    ],
    ggufForms: [
      GGUFForm(
        architecture: "glm4", takesWidths: false, biases: .any, interleavesRotaryRows: true, takesRopeDivisors: false,
        joinedParts: [glmGateAndUp], turnsPart: true)
    ])

  private static let glmGateAndUp = JoinedParts([.gate, .up], huggingFace: "mlp.gate_up_proj", gguf: "ffn_up")
  private static let glmDefaults = Defaults(
    vocabulary: 151_552, channels: 13_696, layers: 40, headDimension: 128, kvHeads: 2, context: 131_072,
    normEpsilon: 1.5625e-7, eosTokens: [151_329, 151_336, 151_338], turnedShare: 0.5)
}

extension BiasRule {
  /// On query, key and value, unless the key says that there are none.
  static let glm = BiasRule(keys: ["attention_bias": [.query, .key, .value]], assumed: ["attention_bias"])
}
