import Checkpoints
import LanguageModels

extension HuggingFaceForm {
  /// The first class of the family that takes a network.
  ///
  /// - Throws: `ExportError.notExpressible` with the rule of the last class, which takes most.
  static func choice(for configuration: ModelConfiguration) throws -> HuggingFaceForm {
    try configuration.checkNames(.huggingFace)
    guard let first = configuration.layers.first, first.kvHeads > 0 else {
      throw ExportError.notExpressible(
        format: .huggingFace, rule: "transformers counts the tokens in a cache by layer 0, which must have attention")
    }
    var objection = "the family '\(configuration.family.name)' has no class"
    for form in configuration.family.huggingFaceForms {
      guard let rule = form.objection(to: configuration) else { return form }
      objection = "the class '\(form.architecture)' \(rule)"
    }
    throw ExportError.notExpressible(format: .huggingFace, rule: objection)
  }

  /// The rule of the class that a network breaks, as what follows its name; `nil` where it takes the network.
  private func objection(to configuration: ModelConfiguration) -> String? {
    let shape = configuration.layers[0]
    if module == nil, !configuration.isUniform || shape.mlpChannels == 0 {
      return "has one width for all layers, and an MLP in each"
    }
    if module == nil, headsDivideHiddenSize, configuration.hiddenSize % shape.queryHeads != 0 {
      return "wants a number of heads that divides the hidden size"
    }
    if let objection = configuration.expertObjection { return objection }
    if !takesWindows(configuration.windows) { return "has other sliding windows than this network" }
    if let trait = configuration.traits.subtracting(traits).map(\.rawValue).min() {
      return "cannot be told of \(trait)"
    }
    return biases.takes(configuration.block.biases) ? nil : "has other biases than this network"
  }

  private func takesWindows(_ windows: [Int?]) -> Bool {
    let lengths = Set(windows)
    if lengths == [nil] { return true }
    if lengths.count == 1 { return window != .none }
    return lengths.count == 2 && lengths.contains(nil) && (window == .switched || takesSomeWindows)
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
      if present || module == nil || biases.assumed.contains(key) { members[key] = .bool(present) }
    }
    let windows = configuration.windows
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

extension ModelConfiguration {
  /// The rule of every class of the family that the network's experts break.
  fileprivate var expertObjection: String? {
    if let experts = block.experts, family.experts?.renormalises == nil, !experts.renormalises {
      return "has experts whose weights sum to one for each token"
    }
    if block.experts != nil, block.biases.contains(.down) { return "has no bias of all experts together" }
    return (block.experts == nil) == (family.experts == nil) ? nil : "has experts in its MLPs or none"
  }
}
