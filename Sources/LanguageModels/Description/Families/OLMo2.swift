extension Family {
  /// OLMo 2: no norms before attention and MLP but behind them, and one norm over all queries, another over all keys.
  ///
  /// llama.cpp's `olmo2` takes one width of the MLP and all heads.
  public static let olmo2 = Family(
    name: "olmo2", architectures: ["Olmo2ForCausalLM", "NASOlmo2ForCausalLM"], modelTypes: ["olmo2"],
    ggufArchitectures: ["olmo2"], ggufInterleavesRotaryRows: false,
    partNames: PartName.common.merging([
      .attentionPostNorm: PartName("post_attention_layernorm", gguf: "post_attention_norm"),
      .mlpPostNorm: PartName("post_feedforward_layernorm", gguf: "post_ffw_norm"),
      .allQueriesNorm: PartName("self_attn.q_norm", gguf: "attn_q_norm"),
      .allKeysNorm: PartName("self_attn.k_norm", gguf: "attn_k_norm"),
    ]) { $1 }.filter { ![.attentionNorm, .mlpNorm].contains($0.key) },
    biases: .attention, window: .none,
    defaults: Defaults(
      vocabulary: 50_304, channels: 11_008, context: 2048, normEpsilon: 1e-5, bosToken: nil, eosTokens: [50_279]),
    huggingFaceForms: [
      HuggingFaceForm(
        architecture: "Olmo2ForCausalLM", modelType: "olmo2", biases: .attention, window: .none,
        members: { _ in HuggingFaceForm.classKeys }),
      HuggingFaceForm(
        architecture: "NASOlmo2ForCausalLM", modelType: "olmo2", biases: .any, window: .none,
        module: .widths(
          of: "olmo2", class: "Olmo2", model: "Olmo2Model",
          norms: (["post_attention_layernorm"], ["post_feedforward_layernorm"])),
        members: { _ in HuggingFaceForm.classKeys }),
    ],
    ggufForms: [
      GGUFForm(
        architecture: "olmo2", takesWidths: false, biases: .none, interleavesRotaryRows: false,
        takesRopeDivisors: false, headsFillHiddenSize: true)
    ])
}
