import LanguageModels

/// The architectures of llama.cpp that an export asks for.
enum GGUFArchitecture: String, Sendable {
  /// One width for all layers; any number of heads, optional biases, interleaved rotary rows, rope divisors.
  case llama
  /// One width for all layers whose heads together are as wide as the hidden size; biases on query, key and value;
  /// half-split rotary rows, no rope divisors.
  case qwen2
  /// Widths of its own in every layer; otherwise as `llama`.
  case deci

  /// llama.cpp's `LLAMA_MAX_LAYERS`.
  private static let maximumLayers = 512

  /// - Throws: `ExportError.notExpressible` with the loader's rule.
  init(_ configuration: ModelConfiguration) throws {
    func refuse(_ rule: String) -> ExportError { .notExpressible(format: .gguf, rule: rule) }
    guard configuration.layerCount <= Self.maximumLayers else {
      throw refuse("llama.cpp loads at most \(Self.maximumLayers) layers, this network has \(configuration.layerCount)")
    }
    for (index, layer) in configuration.layers.enumerated() {
      if index == 0, layer.kvHeads == 0 {
        throw refuse("llama.cpp's 'deci' takes the head dimension from layer 0, which must have attention")
      }
      if layer.queryHeads > 0, layer.kvHeads == 0 {
        throw refuse(
          "llama.cpp's 'deci' reads layer \(index), with \(layer.queryHeads) query heads and no KV head, as linear "
            + "attention")
      }
    }
    guard configuration.isUniform else {
      self = .deci
      return
    }
    let isSquare = configuration.layers[0].queryHeads * configuration.headDimension == configuration.hiddenSize
    let onlyInnerBiases = configuration.queryKeyValueBias && !configuration.outputBias && !configuration.mlpBias
    self = onlyInnerBiases && isSquare && GGUFRope(configuration).tensors.isEmpty ? .qwen2 : .llama
  }

  var interleavesRotaryRows: Bool { self != .qwen2 }
}
