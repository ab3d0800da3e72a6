import Checkpoints

extension ModelConfiguration {
  /// Reads a Hugging Face `config.json`, also one of ours with `per_layer_config`, `qkv_bias` and `output_bias`.
  ///
  /// - Throws: `ModelError.unsupportedArchitecture`, `.unsupportedFeature`, `.invalidConfiguration`, and
  ///   `CheckpointError` for missing and mistyped keys.
  public init(huggingFace config: HuggingFaceConfig) throws {
    let family = try Self.family(of: config)
    let hidden = try config.integer("hidden_size")
    let heads = try config.integer("num_attention_heads")
    let layerCount = try config.integer("num_hidden_layers")
    let base = LayerShape(
      queryHeads: heads, kvHeads: try config.integerIfPresent("num_key_value_heads") ?? heads,
      mlpChannels: try config.integer("intermediate_size"))
    if let activation = try config.stringIfPresent("hidden_act"), activation != "silu" {
      throw ModelError.unsupportedFeature(file: config.file, feature: "activation '\(activation)'")
    }
    guard layerCount > 0, layerCount <= 100_000, heads > 0 else {
      throw ModelError.invalidConfiguration(
        file: config.file, problem: "num_hidden_layers is \(layerCount) and num_attention_heads \(heads)")
    }
    let attentionBias = try config.boolIfPresent("attention_bias") ?? false
    let headDimension = try config.integerIfPresent("head_dim") ?? (hidden / heads)
    self.init(
      family: family, hiddenSize: hidden, vocabularySize: try config.integer("vocab_size"),
      headDimension: headDimension,
      layers: try Self.layers(config, count: layerCount, base: base),
      normEpsilon: Float(try config.doubleIfPresent("rms_norm_eps") ?? 1e-6),
      rotary: try RotaryConfiguration(huggingFace: config),
      tiedEmbeddings: try config.boolIfPresent("tie_word_embeddings") ?? false,
      contextLength: try config.integerIfPresent("max_position_embeddings") ?? 2048,
      slidingWindow: try Self.slidingWindow(config, family, layerCount: layerCount),
      queryKeyValueBias: try attentionBias || family.queryKeyValueBias || config.boolIfPresent("qkv_bias") ?? false,
      outputBias: try attentionBias || config.boolIfPresent("output_bias") ?? false,
      mlpBias: try config.boolIfPresent("mlp_bias") ?? false,
      bosToken: try Self.tokens(config, "bos_token_id").first, eosTokens: try Self.tokens(config, "eos_token_id"))
    try validate(file: config.file)
  }

  private static func family(of config: HuggingFaceConfig) throws -> Family {
    let architectures = try config.stringsIfPresent("architectures") ?? []
    let type = try config.stringIfPresent("model_type")
    let found = Family.all.first { family in
      architectures.contains { family.architectures.contains($0) }
        || (architectures.isEmpty && type.map { family.modelTypes.contains($0) } ?? false)
    }
    guard let found else {
      throw ModelError.unsupportedArchitecture(
        file: config.file, found: architectures.first ?? type ?? "(none named)", supported: Family.supported)
    }
    return found
  }

  private static func layers(_ config: HuggingFaceConfig, count: Int, base: LayerShape) throws -> [LayerShape] {
    let overrides = try config.sectionIfPresent("per_layer_config")
    return try (0..<count).map { index in
      guard let layer = try overrides?.sectionIfPresent(String(index)) else { return base }
      return LayerShape(
        queryHeads: try layer.integerIfPresent("num_attention_heads") ?? base.queryHeads,
        kvHeads: try layer.integerIfPresent("num_key_value_heads") ?? base.kvHeads,
        mlpChannels: try layer.integerIfPresent("intermediate_size") ?? base.mlpChannels)
    }
  }

  private static func slidingWindow(
    _ config: HuggingFaceConfig, _ family: Family, layerCount: Int
  ) throws -> Int? {
    let used = try config.boolIfPresent("use_sliding_window") ?? family.slidingWindowByDefault
    guard used, let window = try config.integerIfPresent("sliding_window") else { return nil }
    let types = try config.stringsIfPresent("layer_types") ?? []
    // Older files of Qwen 2 have no list: the layers before `max_window_layers` see everything.
    let full = types.isEmpty ? try config.integerIfPresent("max_window_layers") ?? 0 : 0
    if Set(types).count > 1 || (full > 0 && full < layerCount) {
      throw ModelError.unsupportedFeature(file: config.file, feature: "a sliding window in some layers only")
    }
    return types.first == "full_attention" || full >= layerCount ? nil : window
  }

  private static func tokens(_ config: HuggingFaceConfig, _ key: String) throws -> [Int32] {
    guard let value = config[key] else { return [] }
    let integers = value.array.map { $0.compactMap(\.integer) } ?? value.integer.map { [$0] } ?? []
    return integers.compactMap { Int32(exactly: $0) }
  }

  /// Checks what the rest of the package relies on, whatever the file's format.
  func validate(file: String) throws {
    func require(_ condition: Bool, _ problem: @autoclosure () -> String) throws {
      if !condition { throw ModelError.invalidConfiguration(file: file, problem: problem()) }
    }
    let limit = 1 << 24
    try require(
      hiddenSize > 0 && hiddenSize < limit && vocabularySize > 0 && vocabularySize < limit,
      "hidden size \(hiddenSize) and vocabulary \(vocabularySize) must be positive and below \(limit)")
    try require(
      headDimension > 0 && headDimension % 2 == 0 && headDimension < limit,
      "head dimension \(headDimension) must be a positive even number")
    for (index, layer) in layers.enumerated() {
      try require(
        layer.kvHeads >= 0 && layer.queryHeads >= 0 && layer.mlpChannels >= 0 && layer.queryHeads < limit
          && max(layer.queryHeads * headDimension, layer.mlpChannels) < limit,
        "layer \(index) has impossible widths \(layer.queryHeads), \(layer.kvHeads), \(layer.mlpChannels)")
      try require(
        layer.kvHeads == 0 ? layer.queryHeads == 0 : layer.queryHeads % layer.kvHeads == 0 && layer.queryHeads > 0,
        "layer \(index) has \(layer.queryHeads) query heads for \(layer.kvHeads) KV heads")
    }
    if case .factors(let factors) = rotary.scaling {
      try require(
        factors.count == headDimension / 2,
        "\(factors.count) rope factors for a head dimension of \(headDimension)")
    }
    try require(rotary.theta > 0 && normEpsilon >= 0, "rope theta and norm epsilon must be positive")
    try require(
      rotary.scaling.numbers.allSatisfy { $0 > 0 && $0.isFinite },
      "the numbers of the rope scaling must be positive: \(rotary.scaling)")
    if let slidingWindow { try require(slidingWindow > 0, "a sliding window \(slidingWindow) sees nothing") }
  }
}

extension RotaryConfiguration.Scaling {
  /// What frequencies are divided by or compared with: all must be positive.
  fileprivate var numbers: [Double] {
    switch self {
    case .none: []
    case .linear(let factor): [factor]
    case .llama3(let factor, let lowFrequency, let highFrequency, let originalContext):
      [factor, lowFrequency, highFrequency, originalContext]
    case .factors(let factors): factors.map(Double.init)
    }
  }
}

extension RotaryConfiguration {
  /// Reads `rope_parameters` (current files) or `rope_theta` and `rope_scaling` (older ones).
  init(huggingFace config: HuggingFaceConfig) throws {
    let section = try config.sectionIfPresent("rope_parameters") ?? config.sectionIfPresent("rope_scaling")
    let theta = try section?.doubleIfPresent("rope_theta") ?? config.doubleIfPresent("rope_theta") ?? 10_000
    let type = try section?.stringIfPresent("rope_type") ?? section?.stringIfPresent("type") ?? "default"
    let part = "partial_rotary_factor"
    if let share = try section?.doubleIfPresent(part) ?? config.doubleIfPresent(part), share != 1 {
      throw ModelError.unsupportedFeature(file: config.file, feature: "partial_rotary_factor \(share)")
    }
    switch (type, section) {
    case ("default", _):
      self.init(theta: theta, scaling: .none)
    case ("linear", let section?):
      self.init(theta: theta, scaling: .linear(factor: try section.double("factor")))
    case ("llama3", let section?):
      let low = try section.double("low_freq_factor")
      let high = try section.double("high_freq_factor")
      self.init(
        theta: theta,
        scaling: .llama3(
          factor: try section.double("factor"), lowFrequency: low, highFrequency: high,
          originalContext: try section.double("original_max_position_embeddings")))
    default:
      throw ModelError.unsupportedFeature(file: config.file, feature: "rope type '\(type)'")
    }
  }
}
