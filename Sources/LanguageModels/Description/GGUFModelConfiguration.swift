import Checkpoints

extension ModelConfiguration {
  /// Reads the metadata of a GGUF file, with llama.cpp's defaults where keys are absent.
  ///
  /// - Parameter families: those that it may be of.
  /// - Throws: `ModelError.unsupportedArchitecture`, `.unsupportedFeature`, `.invalidConfiguration`, and
  ///   `CheckpointError` for missing and mistyped keys.
  public init(gguf file: GGUFFile, families: [Family] = Family.all) throws {
    let path = file.location.path
    try GGUFContent.requireModel(file)
    let architecture = try file.string("general.architecture")
    let key = { (name: String) in "\(architecture).\(name)" }
    let experts = try file.integerIfPresent(key("expert_count")) ?? 0
    let named = families.filter { $0.ggufArchitectures.contains(architecture) }
    if named.isEmpty {
      throw ModelError.unsupportedArchitecture(file: path, found: architecture, supported: Family.supported)
    }
    guard let family = named.first(where: { ($0.experts != nil) == (experts > 0) }) else {
      throw ModelError.unsupportedFeature(
        file: path,
        feature: "a network of \(experts) experts ('\(key("expert_count"))') in the architecture '\(architecture)'")
    }
    var layers = try GGUFWidths(file, key: key).layers
    let routing = try family.experts.map { try ExpertRouting($0, file, key: key, channels: layers[0].mlpChannels) }
    if routing != nil { for index in layers.indices { layers[index].mlpChannels = experts } }
    let hidden = try file.integer(key("embedding_length"))
    let headDimension = try Self.headDimension(file, key: key, hidden: hidden, heads: layers[0].queryHeads)
    try GGUFKeyAccount.check(
      file, architecture, headDimension: headDimension,
      heeded: family.ggufKeys.union(family.experts == nil ? [] : GGUFKeyAccount.usedOfExperts))
    let context = try Self.contextLength(file, key("context_length"))
    self.init(
      family: family, hiddenSize: hidden, vocabularySize: try file.tensor("token_embd.weight").rowCount,
      headDimension: headDimension, layers: layers,
      block: BlockDescription(
        normEpsilon: Float(try file.float(key("attention.layer_norm_rms_epsilon"))),
        rotary: try RotaryConfiguration(
          gguf: file, key: key, headDimension: headDimension, context: context,
          turnsPart: family.defaults.turnedShare != nil),
        window: family.ggufKeys.contains("attention.sliding_window")
          ? nil : try Self.slidingWindow(file, key("attention.sliding_window"), context),
        biases: Self.biases(file, family, layers: layers.indices), parts: family.parts),
      tiedEmbeddings: !file.contains("output.weight"), contextLength: context)
    bosToken = try file.integerIfPresent("tokenizer.ggml.bos_token_id").flatMap { Int32(exactly: $0) }
    eosTokens = [try file.integerIfPresent("tokenizer.ggml.eos_token_id")].compactMap {
      $0.flatMap { Int32(exactly: $0) }
    }
    block.activation = family.defaults.activation
    block.experts = routing
    try family.readGGUF(file, architecture, &self)
    try validate(file: path, ConfigurationKeys(gguf: architecture))
  }

  /// Groups of projections of which any has a bias in any layer; llama.cpp asks every layer for itself. Experts have those that
  /// their family always has.
  private static func biases(_ file: GGUFFile, _ family: Family, layers: Range<Int>) -> Set<LayerPart> {
    let names = TensorNames.gguf(family)
    let mlp: [LayerPart] = family.experts == nil ? [.gate, .up, .down] : []
    let groups: [[LayerPart]] = [[.query, .key, .value], [.output], mlp]
    let found = groups.filter { group in
      layers.contains { layer in
        group.contains { file.contains(names.bias($0, layer: layer)) }
          || group.first == .query && file.contains("blk.\(layer).attn_qkv.bias")
      }
    }
    return family.biases.always.filter { $0.module == .mlp }.union(found.joined())
  }

  /// llama.cpp requires the key; files that lack it are read here as if it were what the first Llama had.
  private static func contextLength(_ file: GGUFFile, _ key: String) throws -> Int {
    if let length = try file.integerIfPresent(key) { return length }
    let length = Family.llama.defaults.context
    Notices.tell("\(file.location.path): the key '\(key)' is missing; \(length) is taken")
    return length
  }

  /// The window that the key asks for, where it is as long as the context and so changes nothing; 0 stands for none. llama.cpp runs
  /// these architectures without one.
  private static func slidingWindow(_ file: GGUFFile, _ key: String, _ context: Int) throws -> Int? {
    guard let window = try file.integerIfPresent(key), window != 0 else { return nil }
    if window >= context { return window }
    Notices.tell(
      "\(file.location.path): '\(key)' is \(window), of which llama.cpp takes no notice in this architecture; neither is any "
        + "taken here")
    return nil
  }

  /// `attention.key_length`, or the hidden size over the heads of the first layer. Values are as long as keys.
  private static func headDimension(
    _ file: GGUFFile, key: (String) -> String, hidden: Int, heads: Int
  ) throws -> Int {
    let standard = heads > 0 ? hidden / heads : 0
    let keys = try file.integerIfPresent(key("attention.key_length")) ?? standard
    let values = try file.integerIfPresent(key("attention.value_length")) ?? keys
    guard keys == values else {
      throw ModelError.unsupportedFeature(
        file: file.location.path,
        feature: "an attention with keys of \(keys) and values of \(values) ('\(key("attention.key_length"))', "
          + "'\(key("attention.value_length"))')")
    }
    return keys
  }
}

extension ExpertRouting {
  /// - Parameter channels: channels of an expert if no key says it.
  fileprivate init(_ rule: ExpertRule, _ file: GGUFFile, key: (String) -> String, channels: Int) throws {
    self.init(
      channels: try file.integerIfPresent(key("expert_feed_forward_length")) ?? channels,
      perToken: try file.integer(key("expert_used_count")), renormalises: rule.ggufRenormalises)
  }
}

/// The widths of the layers, which the metadata of a GGUF file holds as one number each or as arrays with one entry a layer.
private struct GGUFWidths {
  let layers: [LayerShape]

  init(_ file: GGUFFile, key: (String) -> String) throws {
    let path = file.location.path
    let count = try file.integer(key("block_count"))
    guard count > 0, count <= 100_000 else {
      throw ModelError.invalidConfiguration(file: path, problem: "\(key("block_count")) is \(count)")
    }
    func perLayer(_ name: String, otherwise: [Int]? = nil) throws -> [Int] {
      let key = key(name)
      if file[key] == nil, let otherwise { return otherwise }
      if file[key]?.array == nil { return Array(repeating: try file.integer(key), count: count) }
      let values = try file.integers(key)
      guard values.count == count else {
        throw ModelError.invalidConfiguration(
          file: path, problem: "\(key) has \(values.count) entries for \(count) layers")
      }
      return values
    }
    let heads = try perLayer("attention.head_count")
    let kvHeads = try perLayer("attention.head_count_kv", otherwise: heads)
    let channels = try perLayer("feed_forward_length")
    layers = (0..<count).map {
      LayerShape(queryHeads: heads[$0], kvHeads: kvHeads[$0], mlpChannels: channels[$0])
    }
    for (index, layer) in layers.enumerated() where layer.queryHeads > 0 && layer.kvHeads > 0 && layer.mlpChannels == 0
    {
      throw ModelError.unsupportedFeature(
        file: path,
        feature: "layer \(index), which has attention and no MLP and would be left out by llama.cpp as a whole,")
    }
  }
}
