import Checkpoints

extension Family {
  /// gpt-oss: a mixture of experts with biases in every layer, an activation that is cut off, a sink for every query head, and a
  /// window in every other layer.
  ///
  /// llama.cpp rounds the ends of yarn's blend to whole pairs of dimensions, folders as published do not: a published GGUF is
  /// not quite the same network, here as there, and a folder is not written as GGUF where that changes the frequencies.
  public static let gptoss = Family(
    name: "gpt-oss", architectures: ["GptOssForCausalLM", "NASGptOssForCausalLM"], modelTypes: ["gpt_oss"],
    ggufArchitectures: ["gpt-oss"], ggufInterleavesRotaryRows: false,
    partNames: PartName.common.merging(GptOss.parts) { $1 },
    biases: GptOss.biases, window: .pattern(2),
    defaults: Defaults(
      vocabulary: 201_088, hidden: 2880, channels: 2880, layers: 36, heads: 64, headDimension: 64, kvHeads: 8,
      context: 131_072, normEpsilon: 1e-5, window: 128, theta: 150_000, activation: GptOss.activation()),
    readHuggingFace: { try GptOss.read($0, &$1) },
    readGGUF: { try GptOss.read($0, $1, &$2) },
    ggufKeys: ["attention.sliding_window", "attention.sliding_window_pattern"],
    experts: ExpertRule(
      counts: ["num_local_experts", "num_experts"], channels: "intermediate_size",
      defaults: (count: 128, perToken: 4, channels: 2880), joinsGateAndUp: true),
    huggingFaceForms: [
      GptOss.form("GptOssForCausalLM"),
      GptOss.form(
        "NASGptOssForCausalLM", .experts(of: "gpt_oss", class: "GptOss", model: "GptOssModel")),
    ],
    ggufForms: [
      GGUFForm(
        architecture: "gpt-oss", takesWidths: false,
        biases: BiasRule(always: [.output, .gate, .up, .router], keys: ["": [.query, .key, .value]]),
        interleavesRotaryRows: false, takesRopeDivisors: false, traits: [.clamped], keepsWindows: true,
        members: { configuration in
          configuration.windows.compactMap(\.self).prefix(1).map {
            ("attention.sliding_window", .uint32(UInt32(clamping: $0)))
          }
        },
        rule: { GptOss.rule(of: $0) })
    ])
}

private enum GptOss {
  static let parts: [LayerPart: PartName] = {
    func joined(_ name: String) -> PartName.Tensors {
      PartName.Tensors(weight: "mlp.experts.\(name)_proj", bias: "mlp.experts.\(name)_proj_bias")
    }
    func one(_ name: String) -> PartName.Tensors { PartName.Tensors(weight: name, bias: "") }
    return [
      .sinks: PartName(one("self_attn.sinks"), gguf: "attn_sinks"),
      .mlpNorm: PartName("post_attention_layernorm", gguf: "post_attention_norm"),
      .router: PartName("mlp.router", gguf: "ffn_gate_inp"),
      .gate: PartName(joined("gate_up"), gguf: "ffn_gate_exps"),
      .up: PartName(joined("gate_up"), gguf: "ffn_up_exps"),
      .down: PartName(joined("down"), gguf: "ffn_down_exps"),
      .expertBias: PartName(one(joined("down").bias), gguf: one("ffn_down_exps.bias")),
    ]
  }()

  static let biases = BiasRule(
    always: [.gate, .up, .router], keys: BiasRule.attention.keys, assumed: ["attention_bias"])

  static func form(_ architecture: String, _ module: HuggingFaceForm.Module? = nil) -> HuggingFaceForm {
    HuggingFaceForm(
      architecture: architecture, modelType: "gpt_oss", biases: biases, window: .allLayers, module: module,
      traits: [.clamped], takesSomeWindows: true,
      members: { configuration in
        var members = HuggingFaceForm.classKeys
        members["layer_types"] = .array(
          configuration.windows.map { $0 == nil ? "full_attention" : "sliding_attention" })
        if case .clamped(let limit, let alpha) = configuration.block.activation {
          members["swiglu_limit"] = .number(Double(limit.description) ?? Double(limit))
          members["swiglu_alpha"] = .number(Double(alpha.description) ?? Double(alpha))
        }
        return members
      })
  }

  /// The rule of llama.cpp's loader that a network breaks.
  static func rule(of configuration: ModelConfiguration) -> String? {
    let windows = configuration.windows
    if !windows.indices.allSatisfy({ (windows[$0] != nil) == ($0 % 2 == 0) }) {
      return "has a window in every second layer, the first included"
    }
    if configuration.block.activation != activation() { return "cuts the activation off at other numbers" }
    if configuration.rotary.roundingYarn(configuration.headDimension) == nil {
      return "rounds the ends of yarn's blend to whole pairs, which this network does not ('truncate' is false)"
    }
    return nil
  }

  /// The values of the configuration class, which are also those of llama.cpp.
  static func activation(limit: Double? = nil, alpha: Double? = nil) -> Activation {
    .clamped(limit: Float(limit ?? 7), alpha: Float(alpha ?? 1.702))
  }

  static func read(_ config: HuggingFaceConfig, _ configuration: inout ModelConfiguration) throws {
    configuration.block.activation = activation(
      limit: try config.doubleIfPresent("swiglu_limit"), alpha: try config.doubleIfPresent("swiglu_alpha"))
    // The configuration class has a rope scaling of its own where none is said.
    let said = try ["rope_parameters", "rope_scaling"].contains { try config.sectionIfPresent($0) != nil }
    if said { return }
    for kind in configuration.block.attention.indices {
      configuration.block.attention[kind].rotary.scaling = .yarn(
        YarnScaling(factor: 32, originalContext: 4096, truncates: false))
    }
  }

  static func read(_ file: GGUFFile, _ architecture: String, _ configuration: inout ModelConfiguration) throws {
    let names = TensorNames.gguf(configuration.family)
    for layer in configuration.layers.indices {
      // llama.cpp does not load a file without these.
      for part in [LayerPart.output, .router, .gate, .up] { _ = try file.tensor(names.bias(part, layer: layer)) }
    }
    let window = try file.integer("\(architecture).attention.sliding_window")
    let isWindowed = try Family.ggufWindows(file, architecture, layers: configuration.layerCount, step: 2)
    configuration.block.attention.append(AttentionKind(rotary: configuration.rotary, window: window))
    configuration.attentionKinds = isWindowed.map { $0 ? 1 : 0 }
  }
}
