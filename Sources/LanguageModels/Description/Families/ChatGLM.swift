import Checkpoints

extension HuggingFaceDialect {
  /// ChatGLM 2 and 3, and GLM 4 of 2024 before transformers had a class for it: folders with code of their own. The
  /// network is that of `GlmForCausalLM`; query, key and value are one tensor, gate and up another.
  static let chatGLM = HuggingFaceDialect(
    architectures: ["ChatGLMModel", "ChatGLMForConditionalGeneration"], modelTypes: ["chatglm"],
    keys: [
      "num_hidden_layers": "num_layers", "num_key_value_heads": "multi_query_group_num", "head_dim": "kv_channels",
      "intermediate_size": "ffn_hidden_size", "vocab_size": "padded_vocab_size",
      "max_position_embeddings": "seq_length", "rms_norm_eps": "layernorm_epsilon", "attention_bias": "add_qkv_bias",
    ],
    names: TensorNames(
      embedding: "transformer.embedding.word_embeddings.weight",
      finalNorm: "transformer.encoder.final_layernorm.weight", head: "transformer.output_layer.weight",
      layerPrefix: "transformer.encoder.layers.",
      parts: [
        .attentionNorm: "input_layernorm", .query: "self_attention.query", .key: "self_attention.key",
        .value: "self_attention.value", .output: "self_attention.dense", .mlpNorm: "post_attention_layernorm",
        .gate: "mlp.gate", .up: "mlp.up", .down: "mlp.dense_4h_to_h",
      ].mapValues { PartName.Tensors($0) },
      joinedParts: [
        JoinedParts([.query, .key, .value], huggingFace: "self_attention.query_key_value"),
        JoinedParts([.gate, .up], huggingFace: "mlp.dense_h_to_4h"),
      ]),
    values: { config in
      try refuseOthers(config)
      for key in ["num_layers", "hidden_size", "num_attention_heads", "ffn_hidden_size", "padded_vocab_size"] {
        _ = try config.integer(key)
      }
      for key in ["kv_channels", "multi_query_group_num", "seq_length"] { _ = try config.integer(key) }
      _ = try config.double("layernorm_epsilon")
      var values: [String: JSONValue] = [
        "rope_theta": .number(10_000 * (try config.doubleIfPresent("rope_ratio") ?? 1)),
        "add_qkv_bias": .bool(try config.boolIfPresent("add_qkv_bias") ?? false),
      ]
      if config.lacks("eos_token_id") { values["eos_token_id"] = .null }
      return values
    })

  /// - Throws: `ModelError` for settings with which the same classes compute something else.
  private static func refuseOthers(_ config: HuggingFaceConfig) throws {
    if try config.boolIfPresent("position_encoding_2d") ?? config.contains("inner_hidden_size") {
      throw ModelError.unsupportedFeature(
        file: config.file, feature: "the first ChatGLM (position_encoding_2d, inner_hidden_size)")
    }
    if let bits = try config.integerIfPresent("quantization_bit"), bits != 0 {
      throw ModelError.quantised(
        file: config.file, form: "quantization_bit is \(bits)", advice: WeightEncoding.original)
    }
    if let length = try config.integerIfPresent("pre_seq_len") {
      throw ModelError.unsupportedFeature(file: config.file, feature: "a trained prefix (pre_seq_len is \(length))")
    }
    for (key, standard, wanted) in [
      ("rmsnorm", true, true), ("post_layer_norm", true, true), ("multi_query_attention", false, true),
      ("add_bias_linear", false, false), ("apply_residual_connection_post_layernorm", false, false),
    ] {
      let found = try config.boolIfPresent(key) ?? standard
      if found != wanted {
        throw ModelError.unsupportedFeature(file: config.file, feature: "a ChatGLM whose \(key) is \(found)")
      }
    }
  }
}
