import Checkpoints

extension Family {
  /// SmolLM 3: Llama whose every fourth layer does not turn queries and keys.
  public static let smollm3 = Family(
    name: "smollm3", architectures: ["SmolLM3ForCausalLM", "NASSmolLM3ForCausalLM"], modelTypes: ["smollm3"],
    ggufArchitectures: ["smollm3"], ggufInterleavesRotaryRows: true, biases: .configured, window: .switched,
    defaults: Defaults(
      vocabulary: 128_256, hidden: 2048, channels: 11_008, layers: 36, heads: 16, kvHeads: 4, context: 32_768,
      bosToken: 128_000, eosTokens: [128_001], theta: 2_000_000, tiedEmbeddings: true),
    readHuggingFace: { config, configuration in
      let types = try config.stringsIfPresent("layer_types") ?? []
      if try config.boolIfPresent("use_sliding_window") ?? false || types.contains("sliding_attention") {
        throw ModelError.unsupportedFeature(file: config.file, feature: "a SmolLM 3 with sliding windows")
      }
      let step = try config.integerIfPresent("no_rope_layer_interval") ?? 4
      let listed = try config.integersIfPresent("no_rope_layers")?.map { $0 != 0 }
      guard step > 0 || listed != nil else {
        throw ModelError.invalidConfiguration(
          file: config.file, problem: "no_rope_layer_interval is \(step); it must be positive")
      }
      let turned = listed ?? configuration.layers.indices.map { ($0 + 1) % step != 0 }
      guard turned.count == configuration.layerCount else {
        throw ModelError.invalidConfiguration(
          file: config.file,
          problem: "no_rope_layers has \(turned.count) entries for \(configuration.layerCount) layers")
      }
      configuration.turn(turned)
    },
    readGGUF: { _, _, configuration in
      configuration.turn(configuration.layers.indices.map { ($0 + 1) % 4 != 0 })
    },
    huggingFaceForms: [
      smollm3Form("SmolLM3ForCausalLM", .configured),
      smollm3Form(
        "NASSmolLM3ForCausalLM", .any,
        .widths(
          of: "smollm3", class: "SmolLM3", model: "SmolLM3Model",
          norms: (["input_layernorm"], ["post_attention_layernorm"]))),
    ],
    ggufForms: [
      GGUFForm(
        architecture: "smollm3", takesWidths: false, biases: .none, interleavesRotaryRows: true,
        takesRopeDivisors: false, traits: [.severalRotations],
        rule: { configuration in
          configuration.layers.indices.allSatisfy { configuration.attention(of: $0).isTurned == (($0 + 1) % 4 != 0) }
            ? nil : "turns queries and keys in all but every fourth layer"
        })
    ])

  private static func smollm3Form(
    _ architecture: String, _ biases: BiasRule, _ module: HuggingFaceForm.Module? = nil
  ) -> HuggingFaceForm {
    HuggingFaceForm(
      architecture: architecture, modelType: "smollm3", biases: biases, window: .switched, module: module,
      traits: [.gelu, .severalRotations],
      members: { configuration in
        let turned = configuration.attentionOfLayers.map { JSONValue.integer($0.isTurned ? 1 : 0) }
        return HuggingFaceForm.classKeys.merging(["no_rope_layers": .array(turned)]) { $1 }
      })
  }
}

extension ModelConfiguration {
  /// Gives each layer the kind of attention that it has, turned or not.
  fileprivate mutating func turn(_ turned: [Bool]) {
    var kinds: [AttentionKind] = []
    attentionKinds = layers.indices.map { index in
      var kind = attention(of: index)
      kind.isTurned = turned[index]
      if !kinds.contains(kind) { kinds.append(kind) }
      return kinds.firstIndex(of: kind) ?? 0
    }
    block.attention = kinds
    if kinds.count == 1 { attentionKinds = [] }
  }
}
