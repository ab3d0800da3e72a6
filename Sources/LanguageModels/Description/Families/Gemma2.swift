import Checkpoints

extension Family {
  /// Gemma 2: norms before and behind attention and MLP, GELU, capped scores and logits, and a window in every other
  /// layer.
  public static let gemma2 = Family(
    name: "gemma2", architectures: ["Gemma2ForCausalLM", "NASGemma2ForCausalLM"], modelTypes: ["gemma2"],
    ggufArchitectures: ["gemma2"], ggufInterleavesRotaryRows: false, partNames: gemmaParts, biases: .attention,
    window: .pattern(2),
    defaults: Defaults(
      vocabulary: 256_000, hidden: 2304, channels: 9216, layers: 26, heads: 8, headDimension: 256, kvHeads: 4,
      context: 8192, window: 4096, bosToken: 2, eosTokens: [1], activation: .gelu, tiedEmbeddings: true),
    readHuggingFace: { try gemma($0, &$1, scoreCap: 50, logitCap: 30) },
    readGGUF: { file, architecture, configuration in
      try gemma(file, architecture, &configuration, step: 2, window: 4096, localTheta: nil, layersOf27B: 46)
      func cap(_ name: String, _ otherwise: Double) throws -> Float? {
        let found = try file.floatIfPresent("\(architecture).\(name)") ?? otherwise
        return found == 0 ? nil : Float(found)
      }
      configuration.block.scoreCap = try cap("attn_logit_softcapping", 50)
      configuration.logitCap = try cap("final_logit_softcapping", 30)
    },
    ggufKeys: ["attention.sliding_window", "attn_logit_softcapping", "final_logit_softcapping"], gainOffset: 1,
    huggingFaceForms: gemmaForms("gemma2", class: "Gemma2", model: "Gemma2Model"),
    ggufForms: [
      gemmaForm("gemma2", step: 2, layersOf27B: 46) { configuration in
        [
          ("attn_logit_softcapping", .float32(configuration.block.scoreCap ?? 0)),
          ("final_logit_softcapping", .float32(configuration.logitCap ?? 0)),
        ]
      }
    ])

  static let gemmaParts = PartName.common.merging([
    .attentionPostNorm: PartName("post_attention_layernorm", gguf: "post_attention_norm"),
    .mlpNorm: PartName("pre_feedforward_layernorm", gguf: "ffn_norm"),
    .mlpPostNorm: PartName("post_feedforward_layernorm", gguf: "post_ffw_norm"),
  ]) { $1 }

  /// What a `config.json` of Gemma 2 and 3 says beside the common keys.
  ///
  /// - Parameters:
  ///   - scoreCap: cap on scores if the key is missing; `nil` for none.
  ///   - logitCap: cap on logits, likewise.
  static func gemma(
    _ config: HuggingFaceConfig, _ configuration: inout ModelConfiguration, scoreCap: Double?, logitCap: Double?
  ) throws {
    if try config.boolIfPresent("use_bidirectional_attention") ?? false {
      throw ModelError.unsupportedFeature(
        file: config.file, feature: "attention to later tokens (use_bidirectional_attention)")
    }
    func cap(_ key: String, _ otherwise: Double?) throws -> Float? {
      (try config.doubleIfPresent(key) ?? (config.lacks(key) ? otherwise : nil)).map { Float($0) }
    }
    let scalar = try config.doubleIfPresent("query_pre_attn_scalar") ?? 256
    guard scalar > 0, scalar.isFinite else {
      throw ModelError.invalidConfiguration(
        file: config.file, problem: "query_pre_attn_scalar is \(scalar); it must be a positive number")
    }
    if scalar != Double(configuration.headDimension) { configuration.block.scoreScale = Float(1 / scalar.squareRoot()) }
    configuration.block.scoreCap = try cap("attn_logit_softcapping", scoreCap)
    configuration.logitCap = try cap("final_logit_softcapping", logitCap)
    configuration.embeddingScale = Float(configuration.hiddenSize).squareRoot()
  }

  /// What a GGUF file of Gemma 2 and 3 says beside the common keys.
  ///
  /// - Parameters:
  ///   - step: number of layers from one without a window to the next.
  ///   - window: length of the window if the key is missing, as in llama.cpp; `nil` for none.
  ///   - localTheta: base of the rotary embedding in layers with a window; `nil` for that of the others.
  ///   - layersOf27B: number of layers by which llama.cpp knows the one size with another scale of the scores.
  static func gemma(
    _ file: GGUFFile, _ architecture: String, _ configuration: inout ModelConfiguration, step: Int, window: Int?,
    localTheta: Double?, layersOf27B: Int
  ) throws {
    func key(_ name: String) -> String { "\(architecture).\(name)" }
    configuration.embeddingScale = Float(configuration.hiddenSize).squareRoot()
    configuration.block.scoreScale = scoreScale(configuration, layersOf27B: layersOf27B)
    guard let window = try file.integerIfPresent(key("attention.sliding_window")) ?? window else { return }
    let flags = try ggufWindows(file, architecture, layers: configuration.layerCount, step: step)
    var local = configuration.rotary
    if let localTheta {
      let theta = try file.floatIfPresent(key("rope.freq_base_swa")) ?? localTheta
      local = RotaryConfiguration(theta: theta)
    }
    configuration.block.attention.append(AttentionKind(rotary: local, window: window))
    configuration.attentionKinds = flags.map { $0 ? 1 : 0 }
  }

  /// Which layers have a window: all but every so many-th, by `attention.sliding_window_pattern` or `step`, or those that the
  /// key lists.
  static func ggufWindows(_ file: GGUFFile, _ architecture: String, layers: Int, step: Int) throws -> [Bool] {
    let key = "\(architecture).attention.sliding_window_pattern"
    let listed = file[key]?.array
    let step = try listed == nil ? file.integerIfPresent(key) ?? step : step
    let flags = listed?.bools ?? (0..<layers).map { step > 0 && $0 % step < step - 1 }
    guard flags.count == layers else {
      throw ModelError.invalidConfiguration(
        file: file.location.path, problem: "\(key) has \(flags.count) entries for \(layers) layers")
    }
    return flags
  }

  /// llama.cpp's factor of the scores: it knows the one size with another by its number of layers.
  private static func scoreScale(_ configuration: ModelConfiguration, layersOf27B: Int) -> Float? {
    guard configuration.layerCount == layersOf27B else { return nil }
    return (Float(configuration.layers[0].queryHeads) / Float(configuration.hiddenSize)).squareRoot()
  }

  /// The stock class, and ours for layers of different widths.
  static func gemmaForms(_ type: String, class name: String, model: String) -> [HuggingFaceForm] {
    let stock = HuggingFaceForm(
      architecture: "\(name)ForCausalLM", modelType: modelType(type), biases: .attention, window: .allLayers,
      headsDivideHiddenSize: true, traits: Set(NetworkTrait.allCases), takesSomeWindows: true,
      tellsRotaryByType: type == "gemma3", members: gemmaMembers)
    var own = HuggingFaceForm(
      architecture: "NAS\(name)ForCausalLM", modelType: modelType(type), biases: .any, window: .allLayers,
      headsDivideHiddenSize: true, traits: Set(NetworkTrait.allCases), takesSomeWindows: true,
      tellsRotaryByType: type == "gemma3",
      members: gemmaMembers)
    own.module = .widths(
      of: type, class: name, model: model,
      norms: (
        ["input_layernorm", "post_attention_layernorm"], ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
      ))
    return [stock, own]
  }

  private static func modelType(_ type: String) -> String { type == "gemma3" ? "gemma3_text" : type }

  private static let gemmaMembers: @Sendable (ModelConfiguration) -> [String: JSONValue] = { configuration in
    let scalar =
      configuration.block.scoreScale.map { 1 / (Double($0) * Double($0)) } ?? Double(configuration.headDimension)
    let whole = scalar.rounded()
    let members: [String: JSONValue] = [
      "hidden_activation": configuration.block.activation == .gelu ? "gelu_pytorch_tanh" : "silu",
      "query_pre_attn_scalar": abs(scalar - whole) < 1e-4 * scalar ? .integer(Int(whole)) : .number(scalar),
      "attn_logit_softcapping": configuration.block.scoreCap.map { .number(Double($0)) } ?? .null,
      "final_logit_softcapping": configuration.logitCap.map { .number(Double($0)) } ?? .null,
      "layer_types": .array(configuration.windows.map { $0 == nil ? "full_attention" : "sliding_attention" }),
    ]
    return HuggingFaceForm.classKeys.merging(members) { $1 }
  }

  /// - Parameters:
  ///   - step: number of layers from one without a window to the next.
  ///   - members: keys beside those of both generations.
  ///   - rule: a rule beside those of both.
  static func gemmaForm(
    _ architecture: String, step: Int, layersOf27B: Int,
    rule: @escaping @Sendable (ModelConfiguration) -> String? = { _ in nil },
    members: @escaping @Sendable (ModelConfiguration) -> [(key: String, value: GGUFValue)]
  ) -> GGUFForm {
    GGUFForm(
      architecture: architecture, takesWidths: false, biases: .none, interleavesRotaryRows: false,
      takesRopeDivisors: false, traits: Set(NetworkTrait.allCases),
      scoreScale: { scoreScale($0, layersOf27B: layersOf27B) }, keepsWindows: true,
      members: { configuration in
        // llama.cpp has a window for Gemma 2 if there is no key: one that hides nothing stands for none.
        let window =
          configuration.windows.compactMap(\.self).first
          ?? (architecture == "gemma2" ? configuration.contextLength : nil)
        return members(configuration)
          + (window.map { [("attention.sliding_window", .uint32(UInt32(clamping: $0)))] } ?? [])
      },
      rule: { configuration in
        let windows = configuration.windows
        let isPattern = windows.indices.allSatisfy { (windows[$0] != nil) == ($0 % step < step - 1) }
        if !isPattern, windows.contains(where: { $0 != nil }) {
          return "has a window in all but every \(step == 2 ? "second" : "\(step)th") layer"
        }
        return rule(configuration)
      })
  }
}
