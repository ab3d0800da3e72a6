import Checkpoints

extension ModelConfiguration {
  /// Reads the metadata of a GGUF file. Widths may be numbers or arrays with one entry a layer.
  ///
  /// - Throws: `ModelError.unsupportedArchitecture`, `.unsupportedFeature`, `.invalidConfiguration`, and
  ///   `CheckpointError` for missing and mistyped keys.
  public init(gguf file: GGUFFile) throws {
    let path = file.location.path
    let architecture = try file.string("general.architecture")
    guard let family = Family.all.first(where: { $0.ggufArchitectures.contains(architecture) }) else {
      throw ModelError.unsupportedArchitecture(file: path, found: architecture, supported: Family.supported)
    }
    let key = { (name: String) in "\(architecture).\(name)" }
    let layerCount = try file.integer(key("block_count"))
    guard layerCount > 0, layerCount <= 100_000 else {
      throw ModelError.invalidConfiguration(file: path, problem: "\(key("block_count")) is \(layerCount)")
    }
    func perLayer(_ name: String, otherwise: [Int]? = nil) throws -> [Int] {
      let key = key(name)
      if file[key] == nil, let otherwise { return otherwise }
      if file[key]?.array == nil { return Array(repeating: try file.integer(key), count: layerCount) }
      let values = try file.integers(key)
      guard values.count == layerCount else {
        throw ModelError.invalidConfiguration(
          file: path, problem: "\(key) has \(values.count) entries for \(layerCount) layers")
      }
      return values
    }
    let heads = try perLayer("attention.head_count")
    let kvHeads = try perLayer("attention.head_count_kv", otherwise: heads)
    let channels = try perLayer("feed_forward_length")
    let hidden = try file.integer(key("embedding_length"))
    let headDimension =
      try file.integerIfPresent(key("attention.key_length")) ?? (heads[0] > 0 ? hidden / heads[0] : 0)
    let context = try file.integerIfPresent(key("context_length")) ?? 2048
    let embedding = try file.tensor("token_embd.weight")
    let bias = { (name: String) in file.contains("blk.0.\(name).bias") }
    self.init(
      family: family, hiddenSize: hidden, vocabularySize: embedding.rowCount, headDimension: headDimension,
      layers: (0..<layerCount).map {
        LayerShape(queryHeads: heads[$0], kvHeads: kvHeads[$0], mlpChannels: channels[$0])
      },
      normEpsilon: Float(try file.float(key("attention.layer_norm_rms_epsilon"))),
      rotary: try RotaryConfiguration(gguf: file, key: key, headDimension: headDimension, context: context),
      tiedEmbeddings: !file.contains("output.weight"),
      contextLength: context,
      // 0 stands for none.
      slidingWindow: try file.integerIfPresent(key("attention.sliding_window")).flatMap { $0 == 0 ? nil : $0 },
      queryKeyValueBias: bias("attn_q"), outputBias: bias("attn_output"), mlpBias: bias("ffn_down"),
      bosToken: try file.integerIfPresent("tokenizer.ggml.bos_token_id").flatMap { Int32(exactly: $0) },
      eosTokens: [try file.integerIfPresent("tokenizer.ggml.eos_token_id")].compactMap {
        $0.flatMap { Int32(exactly: $0) }
      })
    if let experts = try file.integerIfPresent(key("expert_count")), experts > 0 {
      throw ModelError.unsupportedFeature(file: path, feature: "a mixture of \(experts) experts")
    }
    try validate(file: path)
  }
}
