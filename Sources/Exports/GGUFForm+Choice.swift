import LanguageModels

extension GGUFForm {
  /// llama.cpp's `LLAMA_MAX_LAYERS`.
  private static let maximumLayers = 512

  /// The first architecture of the family whose loader takes a network.
  ///
  /// - Throws: `ExportError.notExpressible` with the rule of the last loader, which takes most.
  static func choice(for configuration: ModelConfiguration) throws -> GGUFForm {
    func refuse(_ rule: String) -> ExportError { .notExpressible(format: .gguf, rule: rule) }
    try configuration.checkNames(.gguf)
    guard configuration.layerCount <= maximumLayers else {
      throw refuse("llama.cpp loads at most \(maximumLayers) layers, this network has \(configuration.layerCount)")
    }
    var objection = "llama.cpp has no architecture for the family '\(configuration.family.name)'"
    for form in configuration.family.ggufForms {
      guard let rule = form.objection(to: configuration) else { return form }
      objection = "llama.cpp's '\(form.architecture)' \(rule)"
    }
    throw refuse(objection)
  }

  /// The loader's rule that a network breaks, as what follows its name; `nil` where it takes the network.
  private func objection(to configuration: ModelConfiguration) -> String? {
    let layers = configuration.layers
    if layers.first?.kvHeads == 0 { return "takes the head dimension from layer 0, which must have attention" }
    if let index = layers.firstIndex(where: { $0.queryHeads > 0 && $0.kvHeads == 0 }) {
      return "reads layer \(index), with \(layers[index].queryHeads) query heads and no KV head, as linear attention"
    }
    if !takesWidths, !configuration.isUniform { return "has one width for all layers" }
    if !takesNoAttention, let index = layers.firstIndex(where: { $0.kvHeads == 0 }) {
      return "has attention in every layer, and layer \(index) has none"
    }
    if headsFillHiddenSize, layers[0].queryHeads * configuration.headDimension != configuration.hiddenSize {
      return "wants heads that together are as wide as the hidden size"
    }
    if tiesHead, !configuration.tiedEmbeddings {
      return
        "takes layers of different widths, but its output head is the embedding, and this model has a head of its own"
    }
    if let experts = configuration.block.experts {
      if configuration.block.biases.contains(.down) { return "has no bias of all experts together" }
      if !expertRule(experts) { return "weighs the experts of a token in another way" }
      if let index = layers.firstIndex(where: { $0.mlpChannels == 0 }) {
        return "has experts in every layer, and layer \(index) has none"
      }
    }
    if let broken = rule(configuration) { return broken }
    if let trait = configuration.traits.subtracting(traits.union([.scoreScale])).map(\.rawValue).min() {
      return "cannot be told of \(trait)"
    }
    if !takesRopeDivisors, !GGUFRope(configuration, self).tensors.isEmpty {
      return "reads no divisors of rotary frequencies"
    }
    return biases.takes(configuration.block.biases) ? nil : "reads other biases than this network has"
  }
}

extension ModelConfiguration {
  /// Whether the family has a name for every part of the layers: nothing is written under the name of something else.
  ///
  /// - Throws: `ExportError.notExpressible`.
  func checkNames(_ format: ExportFormat) throws {
    let strange = LayerPart.allCases.filter { block.parts.contains($0) != family.parts.contains($0) }
    guard let first = strange.first else { return }
    let problem = family.parts.contains(first) ? "the network lacks" : "it has no name for"
    throw ExportError.notExpressible(
      format: format, rule: "layers of the family '\(family.name)' are others: \(problem) the part '\(first)'")
  }
}
