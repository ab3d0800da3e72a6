import LanguageModels

/// The model classes of `transformers` that an export asks for.
enum HuggingFaceArchitecture: Sendable {
  /// Stock, one width for all layers, no biases.
  case mistral
  /// Stock, one width for all layers, biases on query, key and value.
  case qwen2
  /// Stock, one width for all layers, biases on all projections of the attention, or on those of the MLP, or both.
  case llama
  /// `modeling_nas_mistral.py`, widths of its own in every layer.
  case nasMistral

  /// - Throws: `ExportError.notExpressible` with the loader's rule.
  init(_ configuration: ModelConfiguration) throws {
    func refuse(_ rule: String) -> ExportError { .notExpressible(format: .huggingFace, rule: rule) }
    for (index, layer) in configuration.layers.enumerated() {
      guard layer.kvHeads > 0, layer.mlpChannels > 0 else {
        let part = layer.kvHeads == 0 ? "attention" : "MLP"
        throw refuse("transformers gives every layer an attention and an MLP, but layer \(index) has no \(part)")
      }
    }
    let (attentionBias, outputBias) = (configuration.queryKeyValueBias, configuration.outputBias)
    guard outputBias || configuration.mlpBias else {
      self = configuration.isUniform ? (attentionBias ? .qwen2 : .mistral) : .nasMistral
      return
    }
    guard configuration.isUniform else {
      throw refuse("biases on the output or MLP projections need one width for all layers")
    }
    guard outputBias == attentionBias else {
      throw refuse("'attention_bias' stands for biases on query, key, value and output together")
    }
    guard configuration.slidingWindow == nil else {
      throw refuse("LlamaForCausalLM, which has these biases, has no sliding window")
    }
    let heads = configuration.layers[0].queryHeads
    guard configuration.hiddenSize % heads == 0 else {
      throw refuse(
        "LlamaForCausalLM, which has these biases, wants a hidden size (\(configuration.hiddenSize)) that is a "
          + "multiple of the number of query heads (\(heads))")
    }
    self = .llama
  }

  /// The entry of `architectures`.
  var name: String {
    switch self {
    case .mistral: "MistralForCausalLM"
    case .qwen2: "Qwen2ForCausalLM"
    case .llama: "LlamaForCausalLM"
    case .nasMistral: "NASMistralForCausalLM"
    }
  }

  var modelType: String {
    switch self {
    case .mistral, .nasMistral: "mistral"
    case .qwen2: "qwen2"
    case .llama: "llama"
    }
  }

  var needsRemoteCode: Bool { self == .nasMistral }
}
