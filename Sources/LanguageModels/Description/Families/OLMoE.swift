import Checkpoints

extension Family {
  /// OLMoE: a mixture of experts in every layer, one norm over all queries and another over all keys. A token's weights
  /// are shares of all experts.
  ///
  /// llama.cpp's `olmoe` takes all heads.
  public static let olmoe = Family(
    name: "olmoe", architectures: ["OlmoeForCausalLM", "NASOlmoeForCausalLM"], modelTypes: ["olmoe"],
    ggufArchitectures: ["olmoe"], ggufInterleavesRotaryRows: false,
    partNames: PartName.common.merging([
      .allQueriesNorm: PartName("self_attn.q_norm", gguf: "attn_q_norm"),
      .allKeysNorm: PartName("self_attn.k_norm", gguf: "attn_k_norm"),
    ]) { $1 }.merging(PartName.experts("mlp", ("gate_proj", "up_proj", "down_proj"))) { $1 },
    biases: .attention, window: .none,
    defaults: Defaults(
      vocabulary: 50_304, hidden: 2048, channels: 2048, layers: 16, heads: 16, context: 4096, normEpsilon: 1e-5,
      eosTokens: [50_279]),
    readHuggingFace: { config, _ in
      if let clip = try config.doubleIfPresent("clip_qkv") {
        throw ModelError.unsupportedFeature(
          file: config.file, feature: "queries, keys and values cut off at a number ('clip_qkv' is \(clip))")
      }
    },
    experts: ExpertRule(
      counts: ["num_experts", "num_local_experts"], channels: "intermediate_size", renormalises: "norm_topk_prob",
      defaults: (count: 64, perToken: 8, channels: 2048), ggufRenormalises: false),
    huggingFaceForms: [
      HuggingFaceForm(
        architecture: "OlmoeForCausalLM", modelType: "olmoe", biases: .attention, window: .none,
        members: { _ in HuggingFaceForm.classKeys }),
      HuggingFaceForm(
        architecture: "NASOlmoeForCausalLM", modelType: "olmoe", biases: .any, window: .none,
        module: .experts(of: "olmoe", class: "Olmoe", model: "OlmoeModel"),
        members: { _ in HuggingFaceForm.classKeys }),
    ],
    ggufForms: [
      GGUFForm(
        architecture: "olmoe", takesWidths: false, biases: .none, interleavesRotaryRows: false,
        takesRopeDivisors: false, headsFillHiddenSize: true, expertRule: { !$0.renormalises })
    ])
}
