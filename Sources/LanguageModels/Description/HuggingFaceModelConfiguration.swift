import Checkpoints

extension ModelConfiguration {
  /// Reads a Hugging Face `config.json`, also one of ours with `per_layer_config`, `qkv_bias` and `output_bias`.
  ///
  /// A key that is missing has the default of the family's configuration class in transformers 5. A key that this class takes no
  /// notice of changes nothing here either.
  ///
  /// - Parameter families: those that it may be of.
  /// - Throws: `ModelError.unsupportedArchitecture`, `.unsupportedFeature`, `.invalidConfiguration`, `.contradiction`, and
  ///   `CheckpointError` for mistyped keys.
  public init(huggingFace config: HuggingFaceConfig, families: [Family] = Family.all) throws {
    let (family, isOurs) = try Self.family(of: config, families)
    let config = try family.dialect(of: config)?.read(config) ?? config
    let defaults = family.defaults
    func integer(_ key: String, _ value: Int) throws -> Int { try config.integerIfPresent(key) ?? value }
    let hidden = try integer("hidden_size", defaults.hidden)
    let heads = try integer("num_attention_heads", defaults.heads)
    let layerCount = try integer("num_hidden_layers", defaults.layers)
    let kvHeads =
      try config.integerIfPresent("num_key_value_heads")
      ?? (config.lacks("num_key_value_heads") ? defaults.kvHeads : nil)
    let experts = family.experts
    let base = LayerShape(
      queryHeads: heads, kvHeads: kvHeads ?? heads,
      mlpChannels: try experts.map { try $0.count(in: config) }
        ?? integer("intermediate_size", defaults.channels))
    // Any other value, null too, lets transformers look ahead.
    if let causal = config.members["is_causal"], causal != .bool(true) {
      throw ModelError.unsupportedFeature(
        file: config.file, feature: "attention to later tokens (is_causal is \(causal.summary))")
    }
    guard layerCount > 0, layerCount <= 100_000, heads > 0 else {
      throw ModelError.invalidConfiguration(
        file: config.file,
        problem:
          "\(config.name(of: "num_hidden_layers")) is \(layerCount) and num_attention_heads \(heads); both must be "
          + "positive")
    }
    let context = try integer("max_position_embeddings", defaults.context)
    let headDimension = try integer("head_dim", defaults.headDimension ?? hidden / heads)
    let attention = try LayerAttention(
      config, family, layers: layerCount, context: context, headDimension: headDimension)
    self.init(
      family: family, hiddenSize: hidden, vocabularySize: try integer("vocab_size", defaults.vocabulary),
      headDimension: headDimension,
      layers: try Self.layers(config, family, count: layerCount, base: base),
      block: BlockDescription(
        normEpsilon: Float(try config.doubleIfPresent("rms_norm_eps") ?? defaults.normEpsilon),
        rotary: attention.kinds[0].rotary,
        biases: try Self.biases(config, family, isOurs: isOurs), parts: family.parts),
      tiedEmbeddings: try config.boolIfPresent("tie_word_embeddings") ?? defaults.tiedEmbeddings, contextLength: context
    )
    (block.attention, attentionKinds) = (attention.kinds, attention.kindOfLayer)
    block.activation = try Self.activation(config, family)
    block.experts = try experts.map { try ExpertRouting($0, config) }
    bosToken = try Self.tokens(config, "bos_token_id", defaults.bosToken.map { [$0] } ?? []).first
    eosTokens = try Self.tokens(config, "eos_token_id", defaults.eosTokens)
    try family.readHuggingFace(config, &self)
    try validate(file: config.file, ConfigurationKeys(huggingFace: config))
  }

  /// The family by `model_type` and `architectures`, which must agree, and whether the file is one of our exports with widths per
  /// layer.
  private static func family(
    of config: HuggingFaceConfig, _ families: [Family]
  ) throws -> (family: Family, isOurs: Bool) {
    let architectures = try config.stringsIfPresent("architectures") ?? []
    let type = try config.stringIfPresent("model_type")
    let named = families.first { family in architectures.contains { family.isCalled($0) } }
    let typed = type.flatMap { type in families.first { $0.isOf(type: type) } }
    if let named, let typed, named != typed {
      throw ModelError.contradiction(
        file: config.file, first: "architectures", architectures.joined(separator: ", "), second: "model_type",
        type ?? "")
    }
    guard let found = architectures.isEmpty ? typed : named, type == nil || typed != nil else {
      let isKnown = architectures.isEmpty || named != nil
      throw ModelError.unsupportedArchitecture(
        file: config.file, found: (isKnown ? type : architectures.first) ?? "(none named)", supported: Family.supported)
    }
    return (found, architectures.contains { $0.hasPrefix("NAS") })
  }

  private static func layers(
    _ config: HuggingFaceConfig, _ family: Family, count: Int, base: LayerShape
  ) throws -> [LayerShape] {
    let key = "per_layer_config"
    let mlp = family.experts == nil ? "intermediate_size" : HuggingFaceForm.Module.expertsOfLayer
    let widths = ["num_attention_heads", "num_key_value_heads", mlp]
    guard let overrides = try config.sectionIfPresent(key) else { return Array(repeating: base, count: count) }
    var names: [Int: String] = [:]
    for name in overrides.members.keys.sorted() {
      // transformers pads the numbers with zeros.
      guard let index = Int(name), (0..<count).contains(index) else {
        throw ModelError.invalidConfiguration(
          file: config.file, problem: "\(key) names the layer '\(name)', but there are \(count) layers")
      }
      if let other = names.updateValue(name, forKey: index) {
        throw ModelError.invalidConfiguration(file: config.file, problem: "\(key) has both '\(other)' and '\(name)'")
      }
    }
    return try (0..<count).map { index in
      guard let name = names[index], let layer = try overrides.sectionIfPresent(name) else { return base }
      if let stray = layer.members.keys.sorted().first(where: { !widths.contains($0) && layer.contains($0) }) {
        throw ModelError.unsupportedFeature(file: config.file, feature: "the key \(key).\(index).\(stray)")
      }
      return LayerShape(
        queryHeads: try layer.integerIfPresent(widths[0]) ?? base.queryHeads,
        kvHeads: try layer.integerIfPresent(widths[1]) ?? base.kvHeads,
        mlpChannels: try layer.integerIfPresent(widths[2]) ?? base.mlpChannels)
    }
  }

  private static func biases(_ config: HuggingFaceConfig, _ family: Family, isOurs: Bool) throws -> Set<LayerPart> {
    let own = family.huggingFaceForms.first { $0.module != nil }
    let rule = isOurs ? own?.biases ?? .any : family.biases
    for key in ["attention_bias", "mlp_bias"] where rule.keys[key] == nil {
      if try config.boolIfPresent(key) ?? false { config.tellIgnored(key, "true", family) }
    }
    return try rule.keys.reduce(into: rule.always) {
      if try config.boolIfPresent($1.key) ?? rule.assumed.contains($1.key) { $0.formUnion($1.value) }
    }
  }

  private static func activation(_ config: HuggingFaceConfig, _ family: Family) throws -> Activation {
    let names = try ["hidden_activation", "hidden_act"].compactMap { try config.stringIfPresent($0) }
    guard let name = names.first else { return family.defaults.activation }
    switch name {
    // Two names of one function each.
    case "silu", "swish": return .silu
    case "gelu_pytorch_tanh", "gelu_new": return .gelu
    default: throw ModelError.unsupportedFeature(file: config.file, feature: "activation '\(name)'")
    }
  }

  private static func tokens(_ config: HuggingFaceConfig, _ key: String, _ otherwise: [Int32]) throws -> [Int32] {
    if config.lacks(key) { return otherwise }
    guard let value = config[key] else { return [] }
    let integers = value.array.map { $0.compactMap(\.integer) } ?? value.integer.map { [$0] } ?? []
    return integers.compactMap { Int32(exactly: $0) }
  }
}

extension ExpertRule {
  /// - Throws: `ModelError.contradiction` where two keys disagree.
  fileprivate func count(in config: HuggingFaceConfig) throws -> Int {
    let found = try counts.compactMap { key in try config.integerIfPresent(key).map { (key: key, value: $0) } }
    if let first = found.first, let other = found.first(where: { $0.value != first.value }) {
      throw ModelError.contradiction(
        file: config.file, first: first.key, "\(first.value)", second: other.key, "\(other.value)")
    }
    return found.first?.value ?? defaults.count
  }
}

extension ExpertRouting {
  fileprivate init(_ rule: ExpertRule, _ config: HuggingFaceConfig) throws {
    self.init(
      channels: try config.integerIfPresent(rule.channels) ?? rule.defaults.channels,
      perToken: try config.integerIfPresent(rule.perToken) ?? rule.defaults.perToken,
      renormalises: try rule.renormalises.map { try config.boolIfPresent($0) ?? false } ?? true)
  }
}

extension HuggingFaceConfig {
  /// Whether a key is not there at all: null stands for "none", absence for the default.
  func lacks(_ key: String) -> Bool { members[name(of: key)] == nil }

  func tellIgnored(_ key: String, _ value: String, _ family: Family) {
    Notices.tell(
      "\(file): \(key) is \(value), of which a model of type '\(family.modelTypes[0])' takes no notice (as in transformers)"
    )
  }
}

extension Family {
  /// Whether an architecture is one of this family: its causal language model, in any case of letters ("LLaMAForCausalLM" of early
  /// files), or the base class, whose checkpoints lack the output head where it is tied.
  fileprivate func isCalled(_ architecture: String) -> Bool {
    if dialects.contains(where: { $0.architectures.contains(architecture) }) { return true }
    return architectures.contains { name in
      let base = name.replacing("ForCausalLM", with: "Model")
      return [name, base].contains { $0.lowercased() == architecture.lowercased() }
    }
  }

  fileprivate func isOf(type: String) -> Bool {
    modelTypes.contains(type) || dialects.contains { $0.modelTypes.contains(type) }
  }
}
