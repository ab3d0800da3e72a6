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
      && biases.takes(configuration.block.biases) && (window != .none || configuration.slidingWindow == nil)
      && (!headsDivideHiddenSize || configuration.hiddenSize % shape.queryHeads == 0)
  }

  /// The configuration in the terms of the class: if a key stands for several biases and the network has some of them,
  /// the others are written as zeros.
  func completed(_ configuration: ModelConfiguration) -> ModelConfiguration {
    var result = configuration
    result.block.biases = biases.completed(configuration.block.biases)
    return result
  }

  /// The keys of the class in `config.json` beside those of all classes.
  func members(_ configuration: ModelConfiguration) -> [String: JSONValue] {
    var members: [String: JSONValue] = [:]
    for (key, parts) in biases.keys {
      let present = !parts.isDisjoint(with: configuration.block.biases)
      if present || module == nil { members[key] = .bool(present) }
    }
    if window != .none { members["sliding_window"] = configuration.slidingWindow.map { .integer($0) } ?? .null }
    if window == .switched {
      let windowed = configuration.slidingWindow != nil
      members["use_sliding_window"] = .bool(windowed)
      if windowed { members["max_window_layers"] = 0 }  // The window holds from this layer on.
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
