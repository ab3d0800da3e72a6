import LanguageModels

/// The model classes of `transformers` that an export asks for.
enum HuggingFaceArchitecture: Sendable {
  /// Stock, one width for all layers, no biases.
  case mistral
  /// Stock, one width for all layers, biases on query, key and value.
  case qwen2
  /// Stock, one width for all layers, biases on all projections of the attention, or on those of the MLP, or both; a
  /// number of heads that divides the hidden size, no sliding window.
  case llama
  /// `modeling_nas_mistral.py`: widths of its own in every layer, none of attention or MLP in some, or biases that no stock
  /// class has.
  case nasMistral

  /// - Throws: `ExportError.notExpressible` with the loader's rule.
  init(_ configuration: ModelConfiguration) throws {
    guard let first = configuration.layers.first, first.kvHeads > 0 else {
      throw ExportError.notExpressible(
        format: .huggingFace, rule: "transformers counts the tokens in a cache by layer 0, which must have attention")
    }
    guard configuration.isUniform, first.mlpChannels > 0 else {
      self = .nasMistral
      return
    }
    guard configuration.outputBias || configuration.mlpBias else {
      self = configuration.queryKeyValueBias ? .qwen2 : .mistral
      return
    }
    let headsDivideHiddenSize = configuration.hiddenSize % first.queryHeads == 0
    self = headsDivideHiddenSize && configuration.slidingWindow == nil ? .llama : .nasMistral
  }

  /// The configuration in the terms of the class: `attention_bias` of Llama stands for biases on query, key, value and
  /// output together, so a network that has some of them is written with zeros for the others.
  func completed(_ configuration: ModelConfiguration) -> ModelConfiguration {
    guard case .llama = self else { return configuration }
    var result = configuration
    result.queryKeyValueBias = configuration.queryKeyValueBias || configuration.outputBias
    result.outputBias = result.queryKeyValueBias
    return result
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
