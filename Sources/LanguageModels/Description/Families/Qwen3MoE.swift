import Checkpoints

extension Family {
  /// Qwen 3 with a mixture of experts in the MLP of every layer.
  public static let qwen3moe = Family(
    name: "qwen3moe", architectures: ["Qwen3MoeForCausalLM", "NASQwen3MoeForCausalLM"], modelTypes: ["qwen3_moe"],
    ggufArchitectures: ["qwen3moe"], ggufInterleavesRotaryRows: false,
    partNames: PartName.common.merging(PartName.headNorms) { $1 }
      .merging(PartName.experts("mlp", ("gate_proj", "up_proj", "down_proj"))) { $1 },
    biases: .attention, window: .none,
    defaults: Defaults(
      vocabulary: 151_936, hidden: 2048, channels: 6144, layers: 24, heads: 32, kvHeads: 4, context: 32_768),
    readHuggingFace: { config, _ in
      let (step, dense) = ("decoder_sparse_step", "mlp_only_layers")
      if let every = try config.integerIfPresent(step), every != 1 {
        throw ModelError.unsupportedFeature(
          file: config.file, feature: "layers without experts ('\(step)' is \(every))")
      }
      if let layers = config.members[dense]?.array, !layers.isEmpty {
        throw ModelError.unsupportedFeature(
          file: config.file, feature: "layers without experts ('\(dense)' lists \(layers.count) of them)")
      }
      if try config.boolIfPresent("use_sliding_window") ?? false {
        throw ModelError.unsupportedFeature(file: config.file, feature: "a sliding window ('use_sliding_window')")
      }
    },
    experts: ExpertRule(
      counts: ["num_experts", "num_local_experts"], channels: "moe_intermediate_size", renormalises: "norm_topk_prob",
      defaults: (count: 128, perToken: 8, channels: 768)),
    huggingFaceForms: [
      HuggingFaceForm(
        architecture: "Qwen3MoeForCausalLM", modelType: "qwen3_moe", biases: .attention, window: .none,
        members: { Qwen3MoE.members($0) }),
      HuggingFaceForm(
        architecture: "NASQwen3MoeForCausalLM", modelType: "qwen3_moe", biases: .any, window: .none,
        module: .experts(of: "qwen3_moe", class: "Qwen3Moe", model: "Qwen3MoeModel"),
        members: { Qwen3MoE.members($0) }),
    ],
    ggufForms: [
      GGUFForm(
        architecture: "qwen3moe", takesWidths: false, biases: .none, interleavesRotaryRows: false,
        takesRopeDivisors: false, expertRule: { $0.renormalises })
    ])
}

private enum Qwen3MoE {
  static func members(_ configuration: ModelConfiguration) -> [String: JSONValue] {
    HuggingFaceForm.classKeys.merging(["decoder_sparse_step": 1, "mlp_only_layers": []]) { $1 }
  }
}
