import Checkpoints

extension Family {
  /// Mistral with a mixture of experts in every layer. Its GGUF files are of the architecture `llama`, with experts.
  public static let mixtral = Family(
    name: "mixtral", architectures: ["MixtralForCausalLM", "NASMixtralForCausalLM"], modelTypes: ["mixtral"],
    ggufArchitectures: ["llama"], ggufInterleavesRotaryRows: true,
    partNames: PartName.common.merging(PartName.experts("block_sparse_moe", ("w1", "w3", "w2"))) { $1 },
    biases: .none, window: .allLayers,
    defaults: Defaults(
      vocabulary: 32_000, channels: 14_336, kvHeads: 8, context: 131_072, normEpsilon: 1e-5, bosToken: 1,
      eosTokens: [2], theta: 1e6),
    experts: ExpertRule(
      counts: ["num_local_experts", "num_experts"], channels: "intermediate_size",
      defaults: (count: 8, perToken: 2, channels: 14_336)),
    huggingFaceForms: [
      HuggingFaceForm(
        architecture: "MixtralForCausalLM", modelType: "mixtral", biases: .none, window: .allLayers,
        members: { _ in HuggingFaceForm.classKeys }),
      HuggingFaceForm(
        architecture: "NASMixtralForCausalLM", modelType: "mixtral", biases: .any, window: .allLayers,
        module: .experts(of: "mixtral", class: "Mixtral", model: "MixtralModel"),
        members: { _ in HuggingFaceForm.classKeys }),
    ],
    ggufForms: [
      GGUFForm(
        architecture: "llama", takesWidths: false, biases: .none, interleavesRotaryRows: true, takesRopeDivisors: true)
    ])
}
