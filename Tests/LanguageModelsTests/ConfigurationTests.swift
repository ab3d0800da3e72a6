import Checkpoints
import Foundation
import Testing

@testable import LanguageModels

@Suite struct ConfigurationTests {
  private func configuration(_ changes: [String: JSONValue?] = [:]) throws -> ModelConfiguration {
    var members = TinyModel().config
    for (key, value) in changes { members[key] = value }
    return try ModelConfiguration(huggingFace: HuggingFaceConfig(.object(members), file: "config.json"))
  }

  private func expectError(
    _ changes: [String: JSONValue?], _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) {
    do {
      _ = try configuration(changes)
      Issue.record("no error", sourceLocation: sourceLocation)
    } catch {
      #expect(error is ModelError || error is CheckpointError, sourceLocation: sourceLocation)
      for part in ["config.json"] + parts {
        #expect("\(error)".contains(part), "\(error)", sourceLocation: sourceLocation)
      }
    }
  }

  @Test func readsEveryKey() throws {
    var found = try configuration(["bos_token_id": 3, "eos_token_id": [4, 5], "tie_word_embeddings": true])
    let tokens = [found.bosToken].compactMap { $0 } + found.eosTokens
    (found.bosToken, found.eosTokens) = (nil, [])
    #expect(
      found
        == ModelConfiguration(
          family: .llama, hiddenSize: 16, vocabularySize: 40, headDimension: 4,
          layers: Array(repeating: LayerShape(queryHeads: 4, kvHeads: 2, mlpChannels: 24), count: 2),
          block: BlockDescription(normEpsilon: 1e-5, rotary: RotaryConfiguration(theta: 100, scaling: .none)),
          tiedEmbeddings: true, contextLength: 512))
    #expect(tokens == [3, 4, 5])
  }

  @Test func absentKeysHaveTheReferencesDefaults() throws {
    let found = try configuration([
      "num_key_value_heads": nil, "head_dim": nil, "rms_norm_eps": nil, "rope_theta": nil,
      "max_position_embeddings": nil, "hidden_act": nil, "tie_word_embeddings": nil, "attention_bias": nil,
      "mlp_bias": nil, "bos_token_id": .null, "sliding_window": .null,
    ])
    #expect(found.layers[0] == LayerShape(queryHeads: 4, kvHeads: 4, mlpChannels: 24))
    #expect(found.headDimension == 4 && found.normEpsilon == 1e-6 && found.rotary.theta == 10_000)
    #expect(found.contextLength == 2048 && !found.tiedEmbeddings && found.bosToken == nil && found.eosTokens == [2])
  }

  @Test func widthsOfLayersOverrideTheCommonOnes() throws {
    let found = try configuration([
      "per_layer_config": [
        "1": ["num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 8],
        "0": ["intermediate_size": 16],
      ]
    ])
    #expect(
      found.layers == [
        LayerShape(queryHeads: 4, kvHeads: 2, mlpChannels: 16), LayerShape(queryHeads: 2, kvHeads: 1, mlpChannels: 8),
      ])
  }

  /// transformers 5 saves the map with numbers of two digits, and only what differs.
  @Test func numbersOfLayersMayBePadded() throws {
    let found = try configuration(["per_layer_config": ["01": ["intermediate_size": 8]]])
    #expect(found.layers.map(\.mlpChannels) == [24, 8])
    expectError(
      ["per_layer_config": ["1": ["intermediate_size": 8], "01": ["intermediate_size": 16]]], "per_layer_config", "'01'"
    )
  }

  @Test func familiesAreFoundByArchitectureOrType() throws {
    #expect(try configuration(["architectures": nil, "model_type": "qwen2"]).family == .qwen2)
    #expect(try configuration(["architectures": ["MistralForCausalLM"], "model_type": nil]).family == .mistral)
    #expect(try configuration(["architectures": nil, "model_type": "mistral"]).family == .mistral)
    let qwen = try configuration(["architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"])
    #expect(qwen.queryKeyValueBias && !qwen.outputBias)
    #expect(try configuration(["architectures": ["LlamaModel"]]).family == .llama)
  }

  @Test func numbersOfExpertsMustAgree() {
    for type in ["qwen3_moe", "olmoe", "mixtral", "gpt_oss"] {
      expectError(
        ["architectures": nil, "model_type": .string(type), "num_experts": 8, "num_local_experts": 9], "num_experts",
        "num_local_experts", "8", "9")
    }
    expectError(
      ["architectures": nil, "model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 5],
      "4 experts", "uses 5")
    expectError(
      ["architectures": nil, "model_type": "mixtral", "num_local_experts": 1_000_000], "at most 16384")
  }

  @Test func architectureAndTypeMustAgree() {
    expectError(["architectures": ["MistralForCausalLM"]], "MistralForCausalLM", "model_type is llama")
    expectError(["model_type": "qwen2"], "LlamaForCausalLM", "model_type is qwen2")
    expectError(["model_type": "llama4"], "llama4", "not supported")
  }

  @Test func unsupportedArchitectureListsTheSupportedOnes() {
    for architecture in ["GPT2LMHeadModel", "DeepseekV3ForCausalLM", "Qwen2MoeForCausalLM"] {
      expectError(
        ["architectures": [.string(architecture)]], architecture, "LlamaForCausalLM", "MistralForCausalLM",
        "Qwen2ForCausalLM", "not supported")
    }
    // An architecture of another kind is not overruled by the type.
    expectError(["architectures": ["LlamaForSequenceClassification"]], "LlamaForSequenceClassification")
    expectError(["architectures": nil, "model_type": "gpt_neox"], "gpt_neox")
    expectError(["architectures": nil, "model_type": nil], "none named")
  }

  @Test func mistypedKeysAreNamed() {
    for key in ["hidden_size", "num_attention_heads", "num_hidden_layers", "intermediate_size", "vocab_size"] {
      expectError([key: "many"], "'\(key)'", "integer", "many")
    }
    expectError(["rms_norm_eps": "small"], "'rms_norm_eps'")
    expectError(["tie_word_embeddings": 1], "'tie_word_embeddings'")
    expectError(["per_layer_config": ["0": 5]], "per_layer_config.0")
  }

  @Test func unsupportedFeaturesAreNamed() {
    expectError(["hidden_act": "gelu"], "gelu", "not supported")
    expectError(["is_causal": false], "is_causal is false")
    expectError(["is_causal": .null], "is_causal is null")
    expectError(["rope_scaling": ["rope_type": "su", "factor": 4.0]], "su", "not supported")
    expectError(["rope_parameters": ["full_attention": ["rope_type": "default"]]], "full_attention")
    expectError(["rope_scaling": ["type": "dynamic"]], "rope_scaling.factor", "missing")
    expectError(["rope_scaling": ["type": "yarn"]], "rope_scaling.factor", "missing")
    expectError(["rope_parameters": ["rope_type": "longrope", "long_factor": [1, 1]]], "short_factor", "missing")
    expectError(
      ["rope_parameters": ["rope_type": "longrope", "short_factor": [1, 1], "long_factor": [1, "x"]]],
      "rope_parameters.long_factor[1]")
    expectError(
      ["rope_parameters": ["rope_type": "longrope", "short_factor": [1, 1], "long_factor": [1, 1, 1]]],
      "3 rope factors")
    expectError(["per_layer_config": ["1": ["head_dim": 8]]], "per_layer_config.1.head_dim")
    expectError(["per_layer_config": ["2": ["intermediate_size": 8]]], "per_layer_config", "'2'", "2 layers")
    expectError(["partial_rotary_factor": 0.5], "partial_rotary_factor")
    expectError(["rope_parameters": ["rope_type": "default", "partial_rotary_factor": 0.25]], "partial_rotary_factor")
  }

  @Test func ropeSettingsNeedTheirKeys() {
    expectError(["rope_scaling": ["type": "linear"]], "rope_scaling.factor", "missing")
    for key in ["factor", "low_freq_factor", "high_freq_factor"] {
      var section: [String: JSONValue] = [
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
      ]
      section[key] = nil
      expectError(["rope_scaling": .object(section)], "rope_scaling.\(key)")
    }
  }

  @Test func ropeSectionsMayHoldTheta() throws {
    let found = try configuration(["rope_theta": nil, "rope_parameters": ["rope_type": "default", "rope_theta": 77.0]])
    #expect(found.rotary == RotaryConfiguration(theta: 77, scaling: .none))
    let old = try configuration(["rope_scaling": ["type": "linear", "factor": 2]])
    #expect(old.rotary == RotaryConfiguration(theta: 100, scaling: .linear(factor: 2)))
  }

  /// Two spellings of one setting that say different things are refused with both values.
  @Test func contradictionsAreNamed() {
    expectError(["rope_parameters": ["rope_theta": 77.0]], "rope_parameters.rope_theta is 77.0", "rope_theta is 100.0")
    expectError(
      ["rope_scaling": ["rope_type": "linear", "type": "dynamic", "factor": 2]], "rope_type is linear",
      "type is dynamic")
    expectError(
      ["rope_parameters": ["rope_type": "default"], "rope_scaling": ["type": "linear", "factor": 4]],
      "rope_parameters is", "default", "rope_scaling is", "linear")
    expectError(
      [
        "rope_parameters": ["rope_type": "linear", "factor": 2], "rope_scaling": ["rope_type": "linear", "factor": 4],
      ], "\"factor\": 2", "\"factor\": 4")
    expectError(
      [
        "original_max_position_embeddings": 64,
        "rope_scaling": ["type": "yarn", "factor": 4, "original_max_position_embeddings": 32],
      ], "rope_scaling.original_max_position_embeddings is 32.0", "original_max_position_embeddings is 64.0")
  }

  @Test func impossibleValuesAreErrors() {
    expectError(["hidden_size": 0], "hidden size 0")
    expectError(["hidden_size": -16], "-16")
    expectError(["vocab_size": 0], "vocabulary 0")
    expectError(["num_hidden_layers": 0], "num_hidden_layers is 0")
    expectError(["num_hidden_layers": -1], "num_hidden_layers is -1")
    expectError(["num_attention_heads": 0], "num_attention_heads 0")
    expectError(["head_dim": 3], "head dimension 3")
    expectError(["head_dim": 0], "head dimension 0")
    expectError(["num_key_value_heads": 3], "4 query heads for 3 KV heads")
    expectError(["num_key_value_heads": 0], "4 query heads for 0 KV heads")
    expectError(["intermediate_size": -1], "impossible widths")
    expectError(["rope_theta": 0], "theta")
    expectError(["rms_norm_eps": -1.0], "epsilon")
    expectError(["per_layer_config": ["1": ["num_attention_heads": 0]]], "layer 1", "0 query heads")
  }

  /// Numbers so large that a product of two would overflow.
  @Test func hugeValuesAreErrors() {
    let huge = JSONValue.integer(1 << 62)
    expectError(["num_attention_heads": huge, "num_key_value_heads": 2], "\(1 << 62)")
    expectError(["num_key_value_heads": huge], "\(1 << 62)")
    expectError(["intermediate_size": huge], "\(1 << 62)")
    expectError(["hidden_size": huge], "\(1 << 62)")
    expectError(["vocab_size": huge], "\(1 << 62)")
    expectError(["head_dim": huge], "\(1 << 62)")
    expectError(["num_hidden_layers": huge], "\(1 << 62)")
    expectError(["per_layer_config": ["0": ["num_attention_heads": huge, "num_key_value_heads": huge]]], "\(1 << 62)")
  }

  /// An error names the key that the file has, and prints numbers as the file would.
  @Test func errorsNameTheirKeys() {
    expectError(["hidden_size": 0], "hidden size 0 (hidden_size)")
    expectError(["vocab_size": 0], "vocabulary 0 (vocab_size)")
    expectError(["head_dim": 3], "(head_dim)")
    expectError(["rope_theta": -1], "rope theta -1.0 (rope_theta)")
    expectError(["rms_norm_eps": -1.0], "(rms_norm_eps)")
    for context in [0, -5] {
      expectError(["max_position_embeddings": .integer(context)], "\(context) tokens (max_position_embeddings)")
    }
    expectError(
      ["architectures": ["MistralForCausalLM"], "model_type": nil, "sliding_window": 0], "0 (sliding_window)")
    expectError(
      ["rope_scaling": ["type": "yarn", "factor": 2, "beta_fast": -3]], "config.json: rope_scaling.beta_fast is -3.0;")
    expectError(
      ["rope_scaling": ["type": "yarn", "factor": 0, "original_max_position_embeddings": 8]],
      "config.json: rope_scaling.factor is 0.0;")
    expectError(
      [
        "rope_parameters": [
          "rope_type": "longrope", "short_factor": [1, 1], "long_factor": [1, -2], "factor": 2,
          "original_max_position_embeddings": 8,
        ]
      ], "config.json: rope_parameters.long_factor[1] is -2.0;")
    expectError(
      ["rope_parameters": ["rope_type": "longrope", "short_factor": [1], "long_factor": [1, 1]]],
      "rope_parameters.short_factor has 1 rope factors")
  }

  /// A scaling that makes frequencies infinite or turns them around.
  @Test func impossibleRopeScalingIsAnError() {
    expectError(["rope_scaling": ["type": "linear", "factor": 0.0]], "rope")
    expectError(["rope_scaling": ["type": "linear", "factor": -2.0]], "rope")
    let llama3: [String: JSONValue] = [
      "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
      "original_max_position_embeddings": 32,
    ]
    for key in ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"] {
      expectError(["rope_scaling": .object(llama3.merging([key: 0]) { $1 })], "rope")
    }
  }

  /// What transformers reads otherwise than the keys say, or not at all, is refused and not guessed.
  @Test func doubtfulKeysOfFamiliesAreRefused() throws {
    func expect(_ type: String, _ keys: [String: JSONValue?], _ parts: String...) {
      let base: [String: JSONValue?] = ["architectures": nil, "model_type": .string(type)]
      let error = #expect(throws: ModelError.self) { try configuration(base.merging(keys) { $1 }) }
      for part in parts { #expect("\(error.map { "\($0)" } ?? "")".contains(part), "\(part)") }
    }
    expect("smollm3", ["use_sliding_window": true, "sliding_window": 9], "sliding windows")
    expect("gemma3_text", ["rope_parameters": ["rope_type": "linear", "factor": 2.0]], "rope_parameters", "layer type")
    expect("granite", ["logits_scaling": 0], "the multiplier logits_scaling is 0.0")
    expect("granite", ["attention_multiplier": -1], "the multiplier attention_multiplier is -1.0")
    expect("smollm3", ["no_rope_layer_interval": 0], "no_rope_layer_interval is 0")
    _ = try configuration([
      "architectures": nil, "model_type": "smollm3", "no_rope_layer_interval": 0, "no_rope_layers": [1, 0],
    ])
    expect("gemma2", ["query_pre_attn_scalar": 0], "query_pre_attn_scalar is 0.0")
    expect("gemma2", ["attn_logit_softcapping": -5], "attn_logit_softcapping is -5.0")
    expect("gemma3_text", ["final_logit_softcapping": 0], "final_logit_softcapping is 0.0")
    expect("phi3", ["partial_rotary_factor": 0.1], "0 turned dimensions of 4 (partial_rotary_factor)")
    expect(
      "gemma2", ["sliding_window": .null, "layer_types": ["sliding_attention", "full_attention"]], "no sliding_window")
    let gemma = try configuration([
      "architectures": nil, "model_type": "gemma3_text", "rope_theta": 5000, "rope_local_base_freq": 100,
      "layer_types": ["sliding_attention", "full_attention"], "sliding_window": 8,
      "rope_parameters": [
        "sliding_attention": ["rope_type": "default", "rope_theta": 100],
        "full_attention": ["rope_type": "default", "rope_theta": 5000],
      ],
    ])
    #expect((0..<2).map { gemma.attention(of: $0).rotary.theta } == [100, 5000])
  }

  @Test func slidingWindowFollowsTheFamilysSwitch() throws {
    let mistral: [String: JSONValue?] = ["architectures": ["MistralForCausalLM"], "model_type": nil]
    let qwen: [String: JSONValue?] = ["architectures": ["Qwen2ForCausalLM"], "model_type": nil]
    func window(_ base: [String: JSONValue?], _ extra: [String: JSONValue?]) throws -> Int? {
      try configuration(base.merging(extra) { $1 }).slidingWindow
    }
    #expect(try window(mistral, ["sliding_window": 7]) == 7)
    #expect(try window(mistral, ["sliding_window": .null]) == nil)
    #expect(try window([:], ["sliding_window": 7]) == nil)
    #expect(try window(qwen, ["sliding_window": 7]) == nil)
    #expect(try window(qwen, ["sliding_window": 7, "use_sliding_window": false]) == nil)
    let all: JSONValue = ["sliding_attention", "sliding_attention"]
    let none: JSONValue = ["full_attention", "full_attention"]
    #expect(try window(mistral, ["sliding_window": 7, "layer_types": all]) == 7)
    #expect(try window(mistral, ["sliding_window": 7, "layer_types": none]) == nil)
    #expect(try window(qwen, ["sliding_window": 7, "use_sliding_window": true, "layer_types": all]) == 7)
    #expect(try window(qwen, ["sliding_window": 7, "use_sliding_window": true, "layer_types": none]) == nil)
    let mixed = try configuration(
      qwen.merging([
        "sliding_window": 7, "use_sliding_window": true, "layer_types": ["sliding_attention", "full_attention"],
      ]) { $1 })
    #expect((0..<2).map { mixed.attention(of: $0).window } == [7, nil])
    expectError(["architectures": ["MistralForCausalLM"], "model_type": nil, "sliding_window": 0], "sliding window 0")
    expectError(
      ["architectures": ["MistralForCausalLM"], "model_type": nil, "sliding_window": -3], "sliding window -3")
  }

  /// Qwen 2 without `layer_types` slides from layer `max_window_layers` on.
  @Test func firstLayersOfQwenSeeEverything() throws {
    let base: [String: JSONValue?] = [
      "architectures": ["Qwen2ForCausalLM"], "model_type": nil, "sliding_window": 7, "use_sliding_window": true,
    ]
    #expect(try configuration(base.merging(["max_window_layers": 0]) { $1 }).slidingWindow == 7)
    #expect(try configuration(base.merging(["max_window_layers": 2]) { $1 }).slidingWindow == nil)
    #expect(try configuration(base.merging(["max_window_layers": 28]) { $1 }).slidingWindow == nil)
    let one = try configuration(base.merging(["max_window_layers": 1]) { $1 })
    #expect((0..<2).map { one.attention(of: $0).window } == [nil, 7])
  }

  @Test func parametersOfUnitsAddUpToTheLayer() throws {
    for (attention, mlp) in [(false, false), (true, false), (false, true), (true, true)] {
      let tiny = TinyModel(attentionBias: attention, mlpBias: mlp)
      let model = try tiny.open(in: TemporaryFolder())
      let configuration = model.configuration
      let shape = configuration.layers[0]
      let layer = tiny.tensors.filter { $0.key.contains("layers.0.") }.reduce(0) { $0 + $1.value.values.count }
      #expect(configuration.parameters(of: shape) == layer)
      // One unit less saves exactly the rows and columns that it holds.
      let narrower = LayerShape(queryHeads: 2, kvHeads: 1, mlpChannels: 23)
      let groupRows = 2 * 4 + 4 + 4
      let group = groupRows * 16 + 16 * 8 + (attention ? groupRows : 0)
      let channel = 3 * 16 + (mlp ? 2 : 0)
      #expect(configuration.parameters(of: narrower) == layer - group - channel)
    }
  }
}
