extension Family {
  /// Qwen 3, dense: a norm on every head of queries and keys, a head dimension of its own, no biases.
  ///
  /// The gains of the norms belong to the dimensions of a head, and all heads share them: heads may go, and the norms
  /// stay as they are. llama.cpp's `qwen3` takes one width for all layers. Its `openelm` takes different ones and
  /// computes the same, if the output head is the embedding.
  public static let qwen3 = Family(
    name: "qwen3", architectures: ["Qwen3ForCausalLM", "NASQwen3ForCausalLM"], modelTypes: ["qwen3"],
    ggufArchitectures: ["qwen3", "openelm"], ggufInterleavesRotaryRows: false,
    partNames: PartName.common.merging(PartName.headNorms) { $1 },
    biases: .attention, window: .switched,
    defaults: Defaults(
      vocabulary: 151_936, channels: 22_016, headDimension: 128, kvHeads: 32, context: 32_768, window: 4096,
      windowLayers: 28),
    huggingFaceForms: [
      HuggingFaceForm(architecture: "Qwen3ForCausalLM", modelType: "qwen3", biases: .attention, window: .switched),
      HuggingFaceForm(
        architecture: "NASQwen3ForCausalLM", modelType: "qwen3", biases: .any, window: .switched,
        module: HuggingFaceForm.Module(
          name: "modeling_nas_qwen3", classes: ("NASQwen3Model", "NASQwen3ForCausalLM"),
          source: PackageResources.modeling_nas_qwen3_py)),
    ],
    ggufForms: [
      GGUFForm(
        architecture: "qwen3", takesWidths: false, biases: .none, interleavesRotaryRows: false, takesRopeDivisors: false
      ),
      GGUFForm(
        architecture: "openelm", takesWidths: true, biases: .none, interleavesRotaryRows: false,
        takesRopeDivisors: false, tiesHead: true, joinedParts: [JoinedParts([.query, .key, .value], gguf: "attn_qkv")]),
    ])
}
