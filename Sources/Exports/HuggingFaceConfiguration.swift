import Checkpoints
import LanguageModels

/// `config.json` and `generation_config.json` of an exported folder.
enum HuggingFaceConfiguration {
  /// - Parameter parent: source of the model-wide widths of a model whose layers differ; they describe no layer.
  static func config(
    _ configuration: ModelConfiguration, parent: ModelConfiguration, form: HuggingFaceForm, type: ElementType
  ) -> JSONValue {
    var members: [String: JSONValue] = [
      "architectures": [.string(form.architecture)],
      "model_type": .string(form.modelType),
      "vocab_size": .integer(configuration.vocabularySize),
      "hidden_size": .integer(configuration.hiddenSize),
      "num_hidden_layers": .integer(configuration.layerCount),
      "head_dim": .integer(configuration.headDimension),
      "hidden_act": configuration.block.activation == .gelu ? "gelu_pytorch_tanh" : "silu",
      "max_position_embeddings": .integer(configuration.contextLength),
      "rms_norm_eps": .number(decimal(configuration.normEpsilon)),
      "tie_word_embeddings": .bool(configuration.tiedEmbeddings),
      // transformers 5 reads `dtype`, older ones `torch_dtype`.
      "dtype": .string(typeName(type)),
      "torch_dtype": .string(typeName(type)),
    ]
    members.merge(HuggingFaceRope(configuration, form).members) { $1 }
    members.merge(specialTokens(configuration)) { $1 }
    members.merge(
      widths(modelWide(configuration, parent: parent, form), mlp: configuration.family.experts?.counts[0])
    ) { $1 }
    members.merge(experts(configuration)) { $1 }
    members.merge(form.commonMembers(configuration)) { $1 }
    members.merge(form.members(configuration)) { $1 }
    if form.module != nil {
      let mlp = configuration.family.experts.map { _ in HuggingFaceForm.Module.expertsOfLayer }
      members["per_layer_config"] = .object(
        Dictionary(
          uniqueKeysWithValues: configuration.layers.enumerated().map { (String($0), .object(widths($1, mlp: mlp))) }))
      // transformers checks longrope's factors against the heads of the whole model, which a model with widths per
      // layer lacks.
      if members["rope_parameters"]?["rope_type"] == "longrope" {
        members["allow_global_per_layer_attribute_access"] = true
      }
    }
    return .object(members)
  }

  static func generationConfig(_ configuration: ModelConfiguration) -> JSONValue {
    .object(specialTokens(configuration).merging(["_from_model_config": true]) { $1 })
  }

  /// - Parameter mlp: key of the MLP's width; `nil` for that of channels.
  private static func widths(_ layer: LayerShape, mlp: String?) -> [String: JSONValue] {
    [
      "num_attention_heads": .integer(layer.queryHeads),
      "num_key_value_heads": .integer(layer.kvHeads),
      mlp ?? "intermediate_size": .integer(layer.mlpChannels),
    ]
  }

  /// The keys of the experts that all layers share.
  private static func experts(_ configuration: ModelConfiguration) -> [String: JSONValue] {
    guard let rule = configuration.family.experts, let experts = configuration.storedExperts else { return [:] }
    var members: [String: JSONValue] = [
      rule.perToken: .integer(experts.perToken), rule.channels: .integer(experts.channels),
    ]
    if let key = rule.renormalises { members[key] = .bool(experts.renormalises) }
    return members
  }

  /// The widths of a model whose layers are alike; else those of its parent, which describe no layer.
  private static func modelWide(
    _ configuration: ModelConfiguration, parent: ModelConfiguration, _ form: HuggingFaceForm
  ) -> LayerShape {
    var result = widest((configuration.isUniform ? configuration : parent).layers)
    // Some classes of transformers refuse other numbers, also where every layer has one of its own.
    if form.module != nil, form.headsDivideHiddenSize, configuration.hiddenSize % result.queryHeads != 0 {
      (result.queryHeads, result.kvHeads) = (1, 1)
    }
    return result
  }

  /// Heads of the layer with most of them, and the most channels.
  private static func widest(_ layers: [LayerShape]) -> LayerShape {
    var result = layers.max { $0.queryHeads < $1.queryHeads } ?? layers[0]
    result.mlpChannels = layers.map(\.mlpChannels).max() ?? 0
    return result
  }

  private static func specialTokens(_ configuration: ModelConfiguration) -> [String: JSONValue] {
    let end = configuration.eosTokens.map { JSONValue.integer(Int($0)) }
    return [
      "bos_token_id": configuration.bosToken.map { .integer(Int($0)) } ?? .null,
      "eos_token_id": end.count > 1 ? .array(end) : end.first ?? .null,
    ]
  }

  static func typeName(_ type: ElementType) -> String {
    switch type {
    case .f16: "float16"
    case .bf16: "bfloat16"
    default: "float32"
    }
  }

  /// The number that the shortest decimal text of a single-precision number stands for: 1e-5, not 9.99999975e-6.
  private static func decimal(_ value: Float) -> Double { Double(value.description) ?? Double(value) }
}
