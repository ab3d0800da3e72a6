import Checkpoints
import Foundation
import LanguageModels

extension FuzzedReader {
  /// A `config.json` up to the model's shape and its rotary frequencies.
  static let config = FuzzedReader(
    "config", .text,
    words: [
      "architectures", "LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "model_type", "llama", "mistral", "qwen2",
      "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "intermediate_size",
      "vocab_size", "max_position_embeddings", "original_max_position_embeddings", "rms_norm_eps", "hidden_act",
      "hidden_activation", "silu", "attention_bias", "mlp_bias", "qkv_bias", "output_bias", "tie_word_embeddings",
      "rope_parameters", "rope_scaling", "rope_type", "type", "rope_theta", "factor", "low_freq_factor", "high_freq_factor",
      "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "attention_factor", "short_factor", "long_factor", "truncate",
      "default", "linear", "dynamic", "yarn", "longrope", "llama3", "partial_rotary_factor", "sliding_window",
      "use_sliding_window", "max_window_layers", "layer_types", "full_attention", "sliding_attention", "per_layer_config", "0",
      "bos_token_id", "eos_token_id", "pad_token_id", "quantization_config", "quant_method", "bitsandbytes", "gptq", "awq", "fp8",
      "dtype", "torch_dtype", "num_experts", "num_local_experts", "attention_multiplier", "text_config",
    ],
    fixtures: [
      "llama-linear/config.json", "llama-mha/config.json", "llama3-gqa/config.json", "llama3-gqa/config-rope_scaling.json",
      "mistral-gqa/config.json", "qwen2-bias/config.json",
    ].map { "Tests/Fixtures/models/\($0)" },
    isRefusal: { $0 is CheckpointError || $0 is ModelError },
    read: { input in
      let config = try HuggingFaceConfig(folder.write(input, to: "config.json"))
      let configuration = try ModelConfiguration(huggingFace: config)
      try checkShape(configuration)
    })

  private static let folder = InputFolder("config")
}
