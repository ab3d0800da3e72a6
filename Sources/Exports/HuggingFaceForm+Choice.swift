import Checkpoints
import LanguageModels

extension HuggingFaceForm {
  /// The first class of the family that takes a network.
  ///
  /// - Throws: `ExportError.notExpressible` with the loader's rule.
  static func choice(for configuration: ModelConfiguration) throws -> HuggingFaceForm {
    try configuration.checkNames(.huggingFace)
    guard let first = configuration.layers.first, first.kvHeads > 0 else {
      throw ExportError.notExpressible(
        format: .huggingFace, rule: "transformers counts the tokens in a cache by layer 0, which must have attention")
    }
    let forms = configuration.family.huggingFaceForms
    guard let form = forms.first(where: { $0.takes(configuration) }) else {
      let names = forms.map(\.architecture).joined(separator: ", ")
      throw ExportError.notExpressible(
        format: .huggingFace,
        rule: "no class of the family '\(configuration.family.name)' (\(names)) takes its widths and biases")
    }
    return form
  }

  private func takes(_ configuration: ModelConfiguration) -> Bool {
    let shape = configuration.layers[0]
    return (module != nil || configuration.isUniform && shape.mlpChannels > 0)
      && biases.takes(configuration.block.biases) && takesAttention(configuration)
      && configuration.traits.subtracting([.severalAttentions]).isSubset(of: traits)
      && (!headsDivideHiddenSize || configuration.hiddenSize % shape.queryHeads == 0)
  }

  private func takesAttention(_ configuration: ModelConfiguration) -> Bool {
    if configuration.block.attention.count == 1 { return window != .none || configuration.slidingWindow == nil }
    if traits.contains(.severalAttentions) { return true }
    let kinds = configuration.block.attention
    return window == .switched && kinds.count == 2 && kinds[0].rotary == kinds[1].rotary && kinds[0].window == nil
      && kinds.allSatisfy(\.isTurned)
  }

  /// The configuration in the terms of the class: if a key stands for several biases and the network has some of them,
  /// the others are written as zeros.
  func completed(_ configuration: ModelConfiguration) -> ModelConfiguration {
    var result = configuration
    result.block.biases = biases.completed(configuration.block.biases)
    return result
  }

  /// The keys of the class in `config.json` beside those of all classes.
  func commonMembers(_ configuration: ModelConfiguration) -> [String: JSONValue] {
    var members: [String: JSONValue] = [:]
    for (key, parts) in biases.keys {
      let present = !parts.isDisjoint(with: configuration.block.biases)
      if present || module == nil { members[key] = .bool(present) }
    }
    let windows = configuration.layers.indices.map {
      configuration.block.attention[configuration.attentionKind(of: $0)].window
    }
    let largest = windows.compactMap(\.self).max()
    if window != .none { members["sliding_window"] = largest.map { .integer($0) } ?? .null }
    if window == .switched {
      members["use_sliding_window"] = .bool(largest != nil)
      if largest != nil { members["max_window_layers"] = 0 }  // The window holds from this layer on.
    }
    if Set(windows).count > 1 {
      members["layer_types"] = .array(windows.map { $0 == nil ? "full_attention" : "sliding_attention" })
    }
    if let module {
      members["auto_map"] = [
        "AutoModel": .string("\(module.name).\(module.classes.model)"),
        "AutoModelForCausalLM": .string("\(module.name).\(module.classes.causal)"),
      ]
    }
    return members
  }
}
