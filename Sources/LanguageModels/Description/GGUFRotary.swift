import Checkpoints

extension RotaryConfiguration {
  /// Reads the `rope.*` keys and tensors of a GGUF file by the rules of llama.cpp (`llama-model.cpp`, `load_hparams` and
  /// `get_rope_factors`; `llama-context.cpp`): a scaling without a type is linear, a factor that is missing or 0 is 1, and
  /// `rope_freqs.weight` divides besides whatever the scaling does.
  ///
  /// Which of LongRoPE's two sets holds is decided by the length of the sequence, as in transformers; llama.cpp decides by the
  /// length of the context that was asked for.
  ///
  /// - Parameters:
  ///   - context: `context_length`, which stands in for an original context that is not given.
  ///   - turnsPart: whether the family may turn only some dimensions of each head.
  init(
    gguf file: GGUFFile, key: @escaping (String) -> String, headDimension: Int, context: Int, turnsPart: Bool
  ) throws {
    let path = file.location.path
    // Before anything has a number for each pair: the dimension is what the file says.
    guard (1...Self.largestHead).contains(headDimension) else {
      throw ModelError.invalidConfiguration(
        file: path,
        problem: "head dimension \(headDimension) (\(key("attention.key_length"))) must be positive and at most "
          + "\(Self.largestHead)")
    }
    let turned = try file.integerIfPresent(key("rope.dimension_count")) ?? headDimension
    guard turned == headDimension || turnsPart && (1...headDimension).contains(turned) else {
      throw ModelError.unsupportedFeature(
        file: path,
        feature: "a rotary dimension of \(turned) (\(key("rope.dimension_count"))) in heads of \(headDimension)")
    }
    let scaling = GGUFRopeScaling(file, key, context)
    let plain = RotaryConfiguration(theta: try file.floatIfPresent(key("rope.freq_base")) ?? 10_000, scaling: .none)
    let type = try file.stringIfPresent(key("rope.scaling.type")) ?? "linear"
    let attention = try scaling.attentionFactor()
    var result = plain
    switch type {
    case "none": break
    case "linear":
      let factor = try scaling.factor()
      if factor != 1 { result.scaling = .linear(factor: factor) }
    case "yarn": result.scaling = .yarn(try scaling.yarn(attention))
    case "longrope": result.scaling = .longrope(try scaling.longrope(attention, pairs: turned / 2))
    default: throw ModelError.unsupportedFeature(file: path, feature: "rope scaling '\(type)'")
    }
    if type != "longrope", file.contains("rope_freqs.weight") {
      try result.divide(by: try file.tensor("rope_freqs.weight").floats(), turned, file: path)
    }
    if type == "none" || type == "linear", attention != 1 {
      result.scaling = .divided(
        by: result.frequencyDivisors(headDimension: turned), attentionFactor: attention)
    }
    if turned != headDimension { result.turnedDimensions = turned }
    self = result
  }

  /// Divides all frequencies besides what the scaling does.
  private mutating func divide(by divisors: [Float], _ headDimension: Int, file: String) throws {
    guard divisors.count == headDimension / 2 else {
      throw ModelError.invalidConfiguration(
        file: file,
        problem:
          "rope_freqs.weight has \(divisors.count) rope factors for a head dimension of \(headDimension), which has "
          + "\(headDimension / 2) pairs")
    }
    if case .none = scaling {
      scaling = .factors(divisors)
    } else {
      let both = zip(frequencyDivisors(headDimension: headDimension), divisors).map { $0 * $1 }
      scaling = attentionFactor == 1 ? .factors(both) : .divided(by: both, attentionFactor: Double(attentionFactor))
    }
  }
}

/// The `rope.scaling.*` keys of one file.
private struct GGUFRopeScaling {
  let file: GGUFFile
  let key: (String) -> String
  let context: Int

  /// Keys that llama.cpp reads for other architectures only, with the values that it takes in their place.
  private static let yarnKeys: [(name: String, value: Double)] = [
    ("yarn_ext_factor", 1), ("yarn_attn_factor", 1), ("yarn_beta_fast", 32), ("yarn_beta_slow", 1),
    ("yarn_log_multiplier", 0),
  ]

  init(_ file: GGUFFile, _ key: @escaping (String) -> String, _ context: Int) {
    (self.file, self.key, self.context) = (file, key, context)
  }

  private func number(_ name: String) throws -> Double? { try file.floatIfPresent(key("rope.scaling.\(name)")) }

  /// By its present name or by its first one.
  func factor() throws -> Double {
    let (present, first) = (try number("factor"), try file.floatIfPresent(key("rope.scale_linear")))
    if let present, let first, present != first {
      throw ModelError.contradiction(
        file: file.location.path, first: key("rope.scaling.factor"), "\(present)", second: key("rope.scale_linear"),
        "\(first)")
    }
    let found = present ?? first ?? 1
    return found == 0 ? 1 : found
  }

  func attentionFactor() throws -> Double { try number("attn_factor") ?? 1 }

  private func originalContext() throws -> Double {
    let found = try number("original_context_length") ?? 0
    return found == 0 ? Double(context) : found
  }

  func yarn(_ attention: Double) throws -> YarnScaling {
    for (name, value) in Self.yarnKeys {
      if let found = try number(name), abs(found - value) > 1e-6 {
        Notices.tell(
          "\(file.location.path): \(key("rope.scaling.\(name)")) is \(found), of which llama.cpp takes no notice in this architecture; "
            + "\(value) is used, as there")
      }
    }
    let factor = try factor()
    return YarnScaling(
      factor: factor, originalContext: try originalContext(),
      attentionFactor: YarnScaling.attentionFactor(factor) * attention)
  }

  func longrope(_ attention: Double, pairs: Int) throws -> LongRopeScaling {
    let factor = Float(try factor())
    func divisors(_ name: String) throws -> [Float] {
      let tensor = "rope_factors_\(name).weight"
      let stored = file.contains(tensor) ? try file.tensor(tensor).floats() : Array(repeating: 1, count: pairs)
      return stored.map { $0 * factor }
    }
    return LongRopeScaling(
      short: try divisors("short"), long: try divisors("long"), originalContext: try originalContext(), extension: 1,
      attentionFactor: attention)
  }
}
