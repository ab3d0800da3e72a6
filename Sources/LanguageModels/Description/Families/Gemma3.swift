import Checkpoints

extension Family {
  /// Gemma 3 (text): as Gemma 2 without caps, with norms of the heads of queries and keys, and windows in five of six
  /// layers, which turn by a base of their own.
  public static let gemma3 = Family(
    name: "gemma3", architectures: ["Gemma3ForCausalLM", "NASGemma3ForCausalLM"], modelTypes: ["gemma3_text"],
    ggufArchitectures: ["gemma3"], ggufInterleavesRotaryRows: false,
    partNames: gemmaParts.merging(PartName.headNorms) { $1 }, biases: .attention, window: .pattern(6),
    defaults: Defaults(
      vocabulary: 262_208, hidden: 2304, channels: 9216, layers: 26, heads: 8, headDimension: 256, kvHeads: 4,
      context: 131_072, window: 4096, bosToken: 2, eosTokens: [1], theta: 1_000_000, localTheta: 10_000,
      activation: .gelu, tiedEmbeddings: true),
    readHuggingFace: { try gemma($0, &$1, scoreCap: nil, logitCap: nil) },
    readGGUF: { file, architecture, configuration in
      try gemma(file, architecture, &configuration, step: 6, window: nil, localTheta: 10_000, layersOf27B: 62)
      let cap = try file.floatIfPresent("\(architecture).final_logit_softcapping") ?? 0
      if cap != 0 { configuration.logitCap = Float(cap) }
    },
    ggufKeys: [
      "attention.sliding_window", "attention.sliding_window_pattern", "rope.freq_base_swa", "final_logit_softcapping",
    ],
    gainOffset: 1, huggingFaceForms: gemmaForms("gemma3", class: "Gemma3", model: "Gemma3TextModel"),
    ggufForms: [
      gemmaForm(
        "gemma3", step: 6, layersOf27B: 62,
        rule: { configuration in
          let local = configuration.attentionOfLayers.filter { $0.window != nil }
          return local.allSatisfy { $0.rotary.scaling == .none }
            ? nil : "scales no rotary embedding in layers with a window"
        },
        members: { configuration in
          let local = configuration.attentionOfLayers.first { $0.window != nil }?.rotary.theta
          return (local.map { [("rope.freq_base_swa", .float32(Float($0)))] } ?? [])
            + (configuration.logitCap.map { [("final_logit_softcapping", .float32($0))] } ?? [])
        })
    ])
}
