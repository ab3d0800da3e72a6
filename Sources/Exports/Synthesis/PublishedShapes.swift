import Checkpoints

extension ModelShape {
  /// The shapes of models by the `config.json` files that their makers publish.
  static let published: [(name: String, keys: [String: JSONValue])] = [
    ("smollm2-135m", llama(576, 30, (9, 3), 1536, 49_152, context: 8192, theta: 1e5, ["tie_word_embeddings": true])),
    (
      "gemma-3-270m",
      model("gemma3_text", 640, 18, (4, 1), 2048, 262_144, ["head_dim": 256, "sliding_window": 512])
    ),
    ("qwen2.5-0.5b", qwen("qwen2", 896, 24, (14, 2), 4864, ["tie_word_embeddings": true])),
    ("qwen3-0.6b", qwen("qwen3", 1024, 28, (16, 8), 3072, ["head_dim": 128, "tie_word_embeddings": true])),
    (
      "gemma-3-1b",
      model("gemma3_text", 1152, 26, (4, 1), 6912, 262_144, ["head_dim": 256, "sliding_window": 512])
    ),
    (
      "llama-3.2-1b",
      llama(
        2048, 16, (32, 8), 8192, 128_256, context: 131_072, theta: 5e5,
        [
          "tie_word_embeddings": true,
          "rope_scaling": [
            "rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
          ],
        ])
    ),
    (
      "olmo-2-1b",
      model("olmo2", 2048, 16, (16, 16), 8192, 100_352, ["max_position_embeddings": 4096, "rope_theta": 5e5])
    ),
    (
      "granite-3.3-2b",
      model(
        "granite", 2048, 40, (32, 8), 8192, 49_159,
        ["max_position_embeddings": 131_072, "rope_theta": 1e7, "tie_word_embeddings": true, "rms_norm_eps": 1e-5])
    ),
    ("gemma-2-2b", model("gemma2", 2304, 26, (8, 4), 9216, 256_000)),
    ("smollm3-3b", model("smollm3", 2048, 36, (16, 4), 11_008, 128_256, ["rope_theta": 5e6])),
    ("phi-3-mini", model("phi3", 3072, 32, (32, 32), 8192, 32_064)),
    (
      "phi-4-mini",
      model(
        "phi3", 3072, 32, (24, 8), 8192, 200_064,
        ["max_position_embeddings": 131_072, "partial_rotary_factor": 0.75, "tie_word_embeddings": true])
    ),
    ("llama-7b", llama(4096, 32, (32, 32), 11_008, 32_000, context: 2048, theta: 1e4)),
    (
      "mistral-7b",
      model(
        "mistral", 4096, 32, (32, 8), 14_336, 32_768,
        ["max_position_embeddings": 32_768, "rope_theta": 1e6, "sliding_window": .null, "rms_norm_eps": 1e-5])
    ),
    (
      "olmoe-1b-7b",
      model(
        "olmoe", 2048, 16, (16, 16), 1024, 50_304,
        ["max_position_embeddings": 4096, "num_experts": 64, "num_experts_per_tok": 8])
    ),
    ("qwen2.5-7b", qwen("qwen2", 3584, 28, (28, 4), 18_944, ["vocab_size": 152_064])),
    (
      "ministral-8b",
      model(
        "mistral", 4096, 36, (32, 8), 12_288, 131_072,
        ["head_dim": 128, "max_position_embeddings": 32_768, "rope_theta": 1e8, "sliding_window": 32_768])
    ),
    ("llama-3-8b", llama(4096, 32, (32, 8), 14_336, 128_256, context: 8192, theta: 5e5)),
    ("glm-4-9b", model("glm4", 4096, 40, (32, 2), 13_696, 151_552, ["max_position_embeddings": 32_768])),
    ("llama-13b", llama(5120, 40, (40, 40), 13_824, 32_000, context: 2048, theta: 1e4)),
    (
      "gpt-oss-20b",
      model(
        "gpt_oss", 2880, 24, (64, 8), 2880, 201_088,
        ["head_dim": 64, "num_local_experts": 32, "num_experts_per_tok": 4, "sliding_window": 128])
    ),
    (
      "qwen3-30b-a3b",
      qwen(
        "qwen3_moe", 2048, 48, (32, 4), 6144,
        [
          "head_dim": 128, "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768,
          "norm_topk_prob": true,
        ])
    ),
    (
      "mixtral-8x7b",
      model(
        "mixtral", 4096, 32, (32, 8), 14_336, 32_000,
        ["max_position_embeddings": 32_768, "num_local_experts": 8, "num_experts_per_tok": 2])
    ),
  ]

  private static func model(
    _ type: String, _ hidden: Int, _ layers: Int, _ heads: (query: Int, kv: Int), _ channels: Int, _ vocabulary: Int,
    _ more: [String: JSONValue] = [:]
  ) -> [String: JSONValue] {
    let keys: [String: JSONValue] = [
      "model_type": .string(type), "hidden_size": .integer(hidden), "num_hidden_layers": .integer(layers),
      "num_attention_heads": .integer(heads.query), "num_key_value_heads": .integer(heads.kv),
      "intermediate_size": .integer(channels), "vocab_size": .integer(vocabulary),
    ]
    return keys.merging(more) { $1 }
  }

  private static func llama(
    _ hidden: Int, _ layers: Int, _ heads: (query: Int, kv: Int), _ channels: Int, _ vocabulary: Int, context: Int,
    theta: Double, _ more: [String: JSONValue] = [:]
  ) -> [String: JSONValue] {
    let common: [String: JSONValue] = [
      "max_position_embeddings": .integer(context), "rope_theta": .number(theta), "rms_norm_eps": 1e-5,
    ]
    return model("llama", hidden, layers, heads, channels, vocabulary, common.merging(more) { $1 })
  }

  private static func qwen(
    _ type: String, _ hidden: Int, _ layers: Int, _ heads: (query: Int, kv: Int), _ channels: Int,
    _ more: [String: JSONValue]
  ) -> [String: JSONValue] {
    let common: [String: JSONValue] = ["rope_theta": 1e6, "max_position_embeddings": 32_768]
    return model(type, hidden, layers, heads, channels, 151_936, common.merging(more) { $1 })
  }
}
