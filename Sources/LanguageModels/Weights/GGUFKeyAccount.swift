import Checkpoints

/// Accounts for every key under the name of a file's architecture: it is used, or says nothing about what the network computes,
/// or has the value with which it changes nothing. Other keys are refused where llama.cpp has networks that heed them, and
/// remarked on otherwise.
///
/// Source of the names: `llama-arch.cpp` of llama.cpp.
enum GGUFKeyAccount {
  /// Read by `ModelConfiguration` and `RotaryConfiguration`.
  private static let used: Set<String> = [
    "block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count",
    "attention.head_count_kv", "attention.key_length", "attention.value_length", "attention.layer_norm_rms_epsilon",
    "attention.sliding_window", "rope.dimension_count", "rope.freq_base", "rope.scale_linear", "rope.scaling.type",
    "rope.scaling.factor", "rope.scaling.original_context_length", "rope.scaling.attn_factor",
    "rope.scaling.yarn_ext_factor", "rope.scaling.yarn_attn_factor", "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow", "rope.scaling.yarn_log_multiplier",
  ]

  /// Read of mixtures of experts.
  static let usedOfExperts: Set<String> = ["expert_count", "expert_used_count", "expert_feed_forward_length"]

  /// What a language model of these architectures computes does not depend on them: the number of tokens is that of the
  /// embedding's rows, both layouts of the old `tensor_data_layout` are stored alike, and the others are about what is made of
  /// the hidden states, about LayerNorm, or about experts and windows that these networks do not have.
  private static let inert: Set<String> = [
    "vocab_size", "tensor_data_layout", "pooling_type", "embedding_length_out", "rope.scaling.finetuned",
    "attention.layer_norm_epsilon", "attention.group_norm_epsilon", "attention.group_norm_groups", "expert_gating_func",
    "expert_weights_norm", "classifier.output_labels", "rope.freq_base_swa", "rope.dimension_count_swa",
  ]

  /// Settings of other networks, and the values that mean they are off. A boolean counts as 0 or 1.
  private static let off: [String: [Double]] = [
    "attention.causal": [1], "attention.scale": [0], "attention.output_scale": [0, 1], "attention.value_scale": [0, 1],
    "attention.clamp_kqv": [0], "attention.max_alibi_bias": [0], "attention.temperature_scale": [0],
    "attention.temperature_length": [0], "attention.sliding_window_pattern": [0, 1], "logit_scale": [0, 1],
    "residual_scale": [0, 1], "embedding_scale": [0, 1], "attn_logit_softcapping": [0], "final_logit_softcapping": [0],
    "use_parallel_residual": [0], "expert_count": [0], "expert_used_count": [0], "expert_shared_count": [0],
    "expert_group_count": [0], "expert_group_used_count": [0], "expert_weights_scale": [0, 1],
    "leading_dense_block_count": [0], "nextn_predict_layers": [0], "rope.dimension_sections": [0],
    "rope.scaling.alpha": [0], "attention.key_length_mla": [0], "attention.value_length_mla": [0],
    "attention.shared_kv_layers": [0], "num_loops": [0, 1],
  ]

  /// What the names of keys begin with that change what some network of llama.cpp computes.
  private static let functional = [
    "attention.", "rope.", "expert", "moe_", "ssm.", "kda.", "wkv.", "ple.", "hrm.", "hyper_connection.", "attn_res.",
    "shortconv.", "posnet.", "convnext.", "adapters.", "activation.", "hidden_activation", "swiglu_", "xielu",
    "router_",
    "num_loops", "skip_loop", "decoder_", "decision.", "n_deepstack", "deepstack", "time_", "token_shift", "swin_norm",
    "rescale_every", "interleave_moe", "full_attention", "norm_before", "embedding_length_per_layer", "altup", "laurel",
    "dense_", "target_", "hash_layer", "classifier.", "logit_scale", "residual_scale", "embedding_scale",
  ]

  /// - Parameters:
  ///   - headDimension: the attention's default scale is its square root's inverse.
  ///   - heeded: keys that the network's family reads, and others do not.
  /// - Throws: `ModelError.unsupportedFeature`.
  static func check(_ file: GGUFFile, _ architecture: String, headDimension: Int, heeded: Set<String>) throws {
    let scale = Float(1 / Double(headDimension).squareRoot())
    for key in file.keys where key.hasPrefix(architecture + ".") {
      let name = String(key.dropFirst(architecture.count + 1))
      guard !used.contains(name), !inert.contains(name), !heeded.contains(name), let value = file[key] else { continue }
      if let values = off[name], let found = numbers(value), Set(found).count <= 1, found.allSatisfy(values.contains) {
        continue
      }
      if name == "attention.scale", let found = value.float, abs(Float(found) - scale) <= 1e-6 * scale { continue }
      guard off[name] != nil || functional.contains(where: name.hasPrefix) else {
        Notices.tell("\(file.location.path): the key '\(key)' is not known and is passed over, as llama.cpp does")
        continue
      }
      throw ModelError.unsupportedFeature(
        file: file.location.path, feature: "the key '\(key)', which is \(value.summary),")
    }
  }

  private static func numbers(_ value: GGUFValue) -> [Double]? {
    if let bool = value.bool { return [bool ? 1 : 0] }
    if let number = value.float { return [number] }
    guard let array = value.array else { return nil }
    return array.floats ?? array.bools?.map { $0 ? 1 : 0 }
  }
}
