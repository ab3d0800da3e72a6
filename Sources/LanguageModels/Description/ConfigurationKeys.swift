import Checkpoints

/// What the keys of a file are called that say a configuration, for messages.
struct ConfigurationKeys {
  let hidden: String
  let vocabulary: String
  let headDimension: String
  let turned: String
  let theta: String
  let scoreScale: String
  let scoreCap: String
  let logitCap: String
  let epsilon: String
  let context: String
  let window: String
  /// The section of the rope scaling, or what its keys begin with.
  let scaling: String
  /// The names of its numbers if they are not those of transformers.
  private let scalingNames: [String: String]

  /// - Parameter config: file as it was read, with its own names of keys.
  init(huggingFace config: HuggingFaceConfig) {
    func key(_ name: String) -> String { config.name(of: name) }
    (hidden, vocabulary, headDimension) = (key("hidden_size"), key("vocab_size"), key("head_dim"))
    (turned, theta) = (key("partial_rotary_factor"), key("rope_theta"))
    (context, epsilon) = (key("max_position_embeddings"), key("rms_norm_eps"))
    (scoreScale, scoreCap) = ("query_pre_attn_scalar", "attn_logit_softcapping")
    (logitCap, window) = ("final_logit_softcapping", "sliding_window")
    scaling = config.contains("rope_parameters") ? "rope_parameters" : "rope_scaling"
    scalingNames = [:]
  }

  init(gguf architecture: String) {
    func key(_ name: String) -> String { "\(architecture).\(name)" }
    (hidden, vocabulary) = (key("embedding_length"), "rows of token_embd.weight")
    (headDimension, turned) = (key("attention.key_length"), key("rope.dimension_count"))
    (theta, context) = (key("rope.freq_base"), key("context_length"))
    (scoreScale, scoreCap) = (key("attention.scale"), key("attn_logit_softcapping"))
    (logitCap, epsilon) = (key("final_logit_softcapping"), key("attention.layer_norm_rms_epsilon"))
    (window, scaling) = (key("attention.sliding_window"), key("rope.scaling"))
    scalingNames = [
      "original_max_position_embeddings": key("rope.scaling.original_context_length"),
      "attention_factor": key("rope.scaling.attn_factor"), "short_factor": "rope_factors_short.weight",
      "long_factor": "rope_factors_long.weight", "factors": "rope_freqs.weight",
    ]
  }

  /// - Parameter name: of a number of the rope scaling, as transformers calls it, with its place if there are several.
  func scaling(_ name: String) -> String {
    let place = name.firstIndex(of: "[") ?? name.endIndex
    return scalingNames[String(name[..<place])].map { $0 + name[place...] } ?? "\(scaling).\(name)"
  }
}

extension RotaryConfiguration.Scaling {
  /// What frequencies are divided by or compared with, by the names that transformers has: all must be positive.
  var numbers: [(name: String, value: Double)] {
    let original = "original_max_position_embeddings"
    func each(_ name: String, _ values: [Float]) -> [(name: String, value: Double)] {
      values.enumerated().map { ("\(name)[\($0)]", Double($1)) }
    }
    switch self {
    case .none: return []
    case .linear(let factor): return [("factor", factor)]
    case .llama3(let factor, let low, let high, let context):
      return [("factor", factor), ("low_freq_factor", low), ("high_freq_factor", high), (original, context)]
    case .factors(let factors): return each("factors", factors)
    case .divided(let factors, let attention): return each("factors", factors) + [("attention_factor", attention)]
    case .dynamic(let factor, let context): return [("factor", factor), (original, context)]
    case .yarn(let yarn):
      return [
        ("factor", yarn.factor), (original, yarn.originalContext), ("beta_fast", yarn.betaFast),
        ("beta_slow", yarn.betaSlow), ("attention_factor", yarn.attentionFactor),
      ]
    case .longrope(let longrope):
      return [(original, longrope.originalContext), ("attention_factor", longrope.attentionFactor)]
        + each("short_factor", longrope.short) + each("long_factor", longrope.long)
    }
  }

  /// Lists of which each must have one number a pair.
  var divisors: [(name: String, values: [Float])] {
    switch self {
    case .none, .linear, .llama3, .dynamic, .yarn: []
    case .factors(let factors), .divided(let factors, _): [("factors", factors)]
    case .longrope(let longrope): [("short_factor", longrope.short), ("long_factor", longrope.long)]
    }
  }
}
