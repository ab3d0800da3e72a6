import Checkpoints
import Foundation
import LinearAlgebra

@testable import LanguageModels

/// A small random model that a test may change in any detail before it is written as a Hugging Face folder.
struct TinyModel {
  struct Values {
    var shape: [Int]
    var values: [Float]
  }

  var config: [String: JSONValue]
  var tensors: [String: Values] = [:]

  let hidden = 16
  let vocabulary = 40
  let dimension = 4

  /// Layers of 4 query heads, 2 KV heads and 24 channels unless `layers` says otherwise.
  init(
    layers: [LayerShape] = Array(repeating: LayerShape(queryHeads: 4, kvHeads: 2, mlpChannels: 24), count: 2),
    attentionBias: Bool = false, mlpBias: Bool = false, config extra: [String: JSONValue] = [:]
  ) {
    config = [
      "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 16, "vocab_size": 40,
      "num_hidden_layers": .integer(layers.count), "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 4,
      "intermediate_size": 24, "rms_norm_eps": 1e-5, "rope_theta": 100.0, "hidden_act": "silu",
      "max_position_embeddings": 512, "attention_bias": .bool(attentionBias), "mlp_bias": .bool(mlpBias),
      "tie_word_embeddings": false,
    ]
    let standard = LayerShape(queryHeads: 4, kvHeads: 2, mlpChannels: 24)
    let overrides = layers.enumerated().filter { $0.element != standard }.map { index, shape in
      (
        String(index),
        [
          "num_attention_heads": .integer(shape.queryHeads), "num_key_value_heads": .integer(shape.kvHeads),
          "intermediate_size": .integer(shape.mlpChannels),
        ] as JSONValue
      )
    }
    if !overrides.isEmpty {
      config["per_layer_config"] = .object(Dictionary(overrides, uniquingKeysWith: { $1 }))
    }
    config.merge(extra) { $1 }
    var random = SeededGenerator(seed: 77)
    func add(_ name: String, _ shape: [Int], scale: Double, shift: Double = 0) {
      let values = (0..<shape.reduce(1, *)).map { _ in Float(shift + scale * (2 * random.unit() - 1)) }
      tensors[name] = Values(shape: shape, values: values)
    }
    add("model.embed_tokens.weight", [vocabulary, hidden], scale: 1)
    add("lm_head.weight", [vocabulary, hidden], scale: 0.6)
    add("model.norm.weight", [hidden], scale: 0.5, shift: 1)
    for (index, shape) in layers.enumerated() {
      func linear(_ name: String, _ outputs: Int, _ inputs: Int, bias: Bool) {
        add("model.layers.\(index).\(name).weight", [outputs, inputs], scale: 2 / Double(inputs).squareRoot())
        if bias { add("model.layers.\(index).\(name).bias", [outputs], scale: 0.7) }
      }
      if shape.kvHeads > 0 {
        add("model.layers.\(index).input_layernorm.weight", [hidden], scale: 0.5, shift: 1)
        linear("self_attn.q_proj", shape.queryHeads * dimension, hidden, bias: attentionBias)
        linear("self_attn.k_proj", shape.kvHeads * dimension, hidden, bias: attentionBias)
        linear("self_attn.v_proj", shape.kvHeads * dimension, hidden, bias: attentionBias)
        linear("self_attn.o_proj", hidden, shape.queryHeads * dimension, bias: attentionBias)
      }
      if shape.mlpChannels > 0 {
        add("model.layers.\(index).post_attention_layernorm.weight", [hidden], scale: 0.5, shift: 1)
        linear("mlp.gate_proj", shape.mlpChannels, hidden, bias: mlpBias)
        linear("mlp.up_proj", shape.mlpChannels, hidden, bias: mlpBias)
        linear("mlp.down_proj", hidden, shape.mlpChannels, bias: mlpBias)
      }
    }
  }

  /// Two layers of OLMo 2: norms behind attention and MLP and over all heads, none before.
  static func olmo2(channels: Int) -> TinyModel {
    let shape = LayerShape(queryHeads: 4, kvHeads: 2, mlpChannels: channels)
    var model = TinyModel(
      layers: [shape, shape],
      config: [
        "architectures": ["Olmo2ForCausalLM"], "model_type": "olmo2", "intermediate_size": .integer(channels),
      ])
    model.config["per_layer_config"] = nil
    var random = SeededGenerator(seed: 78)
    for index in 0..<2 {
      let layer = "model.layers.\(index)"
      model.tensors["\(layer).input_layernorm.weight"] = nil
      for (name, count) in [
        ("post_feedforward_layernorm", 16), ("self_attn.q_norm", 16), ("self_attn.k_norm", 8),
      ] {
        model.tensors["\(layer).\(name).weight"] = Values(
          shape: [count], values: (0..<count).map { _ in Float(0.5 + random.unit()) })
      }
    }
    return model
  }

  var tensorNames: [String] { tensors.keys.sorted() }

  /// Writes the folder's files.
  func write(to folder: URL, type: ElementType = .f32) throws {
    let text = JSONValue.object(config).text()
    try Data(text.utf8).write(to: folder.appendingPathComponent("config.json"))
    let plans = tensorNames.map { TensorPlan(name: $0, type: type, shape: tensors[$0]?.shape ?? []) }
    try SafetensorsWriter.write(plans, toDirectory: folder) { plan, write in
      try (tensors[plan.name]?.values ?? []).withUnsafeBufferPointer { try write($0) }
    }
  }

  /// Writes the folder and opens it.
  func open(in folder: TemporaryFolder) throws -> LanguageModel {
    try write(to: folder.url)
    return try LanguageModel(folder.url)
  }
}
