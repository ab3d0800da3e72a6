import Checkpoints

extension RotaryConfiguration {
  /// Reads `rope_parameters` (files of transformers 5) or `rope_theta` and `rope_scaling` (older ones), by the rules of
  /// `modeling_rope_utils.py` of transformers.
  ///
  /// - Parameters:
  ///   - layerType: type of the layers that it is for, which may have parameters of their own.
  ///   - context: `max_position_embeddings`, which stands in for an original context that is not given.
  /// - Throws: `ModelError.contradiction` where both are there and say different things.
  init(
    huggingFace config: HuggingFaceConfig, _ family: Family, layerType: String, context: Int, headDimension: Int
  ) throws {
    let named = try ["rope_parameters", "rope_scaling"].compactMap { name in
      try config.sectionIfPresent(name).flatMap { $0.members.isEmpty ? nil : (name, $0) }
    }
    var sections: [RopeSection] = []
    for (name, section) in named {
      if family.defaults.localTheta != nil, name == "rope_parameters",
        section.members.values.allSatisfy({ $0.object == nil })
      {
        throw ModelError.unsupportedFeature(
          file: config.file, feature: "rope_parameters that are not given by layer type,")
      }
      let own = family.defaults.localTheta == nil ? nil : try section.sectionIfPresent(layerType)
      sections.append(
        RopeSection(own ?? section, own == nil ? name : "\(name).\(layerType)", config, family.defaults, context))
    }
    let key = "rope_local_base_freq"
    let local = layerType == "sliding_attention" ? family.defaults.localTheta : nil
    if let local, sections.allSatisfy({ !$0.name.contains(".") }) {
      self.init(theta: try config.doubleIfPresent(key) ?? local)
      return
    }
    let read = try sections.map { try RotaryConfiguration($0) }
    if read.count == 2, read[0] != read[1] {
      throw ModelError.contradiction(
        file: config.file, first: sections[0].name, sections[0].text, second: sections[1].name, sections[1].text)
    }
    self =
      try read.first
      ?? RotaryConfiguration(
        theta: config.doubleIfPresent("rope_theta") ?? family.defaults.theta)
    let share = try RopeSection.turnedShare(config, sections, family.defaults)
    if share != 1 { turnedDimensions = Int(Double(headDimension) * share) }
  }

  private init(_ section: RopeSection) throws {
    let theta = try section.theta()
    switch try section.type() {
    case "default":
      self.init(theta: theta, scaling: .none)
    case "linear":
      self.init(theta: theta, scaling: .linear(factor: try section.number("factor")))
    case "dynamic":
      self.init(
        theta: theta, scaling: .dynamic(factor: try section.number("factor"), context: Double(section.context)))
    case "llama3":
      self.init(
        theta: theta,
        scaling: .llama3(
          factor: try section.number("factor"), lowFrequency: try section.number("low_freq_factor"),
          highFrequency: try section.number("high_freq_factor"), originalContext: try section.originalContext()))
    case "yarn":
      self.init(theta: theta, scaling: .yarn(try section.yarn()))
    case "longrope":
      self.init(theta: theta, scaling: .longrope(try section.longrope()))
    case let other:
      throw ModelError.unsupportedFeature(
        file: section.config.file, feature: "the rope type '\(other)' of \(section.name)")
    }
  }
}

/// One of the two places in a `config.json` that describe the rotary embedding, and what stands beside it.
private struct RopeSection {
  /// Keys that change nothing here: the type, what `theta` and `turnedShare` read, and what only tools read.
  private static let common = ["rope_type", "type", "rope_theta", "partial_rotary_factor"]
  private static let keys: [String: [String]] = [
    "default": [], "linear": ["factor"], "dynamic": ["factor"],
    "llama3": ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"],
    "yarn": [
      "factor", "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow", "mscale",
      "mscale_all_dim", "truncate",
    ],
    "longrope": [
      "factor", "original_max_position_embeddings", "attention_factor", "short_factor", "long_factor",
    ],
  ]

  let section: HuggingFaceConfig
  let name: String
  let config: HuggingFaceConfig
  let defaults: Family.Defaults
  let context: Int

  init(
    _ section: HuggingFaceConfig, _ name: String, _ config: HuggingFaceConfig, _ defaults: Family.Defaults,
    _ context: Int
  ) {
    (self.section, self.name, self.config) = (section, name, config)
    (self.defaults, self.context) = (defaults, context)
  }

  /// The section as it stands in the file, for messages.
  var text: String { section.json.text(indented: false) }

  func number(_ key: String) throws -> Double { try section.double(key) }

  /// The type in its new or its old spelling.
  func type() throws -> String {
    let (new, old) = (try section.stringIfPresent("rope_type"), try section.stringIfPresent("type"))
    if let new, let old, new != old {
      throw ModelError.contradiction(
        file: config.file, first: "\(name).rope_type", new, second: "\(name).type", old)
    }
    let type = new ?? old ?? "default"
    // A section a layer type, as Gemma 3 has it, is no type of its own.
    if let nested = section.members.first(where: { $0.value.object != nil })?.key {
      throw ModelError.unsupportedFeature(file: config.file, feature: "\(name) for '\(nested)' layers of their own")
    }
    if let known = Self.keys[type] {
      let others = section.members.keys.filter {
        !known.contains($0) && !Self.common.contains($0) && section.contains($0)
      }
      if !others.isEmpty {
        Notices.tell(
          "\(config.file): \(name) of type '\(type)' takes no notice of \(others.sorted().map { "'\($0)'" }.joined(separator: ", "))"
        )
      }
    }
    return type
  }

  /// The base, inside the section or beside it.
  func theta() throws -> Double {
    let local = name.hasSuffix(".sliding_attention") ? defaults.localTheta : nil
    let old = local == nil ? "rope_theta" : "rope_local_base_freq"
    return try same("rope_theta", section.doubleIfPresent("rope_theta"), config.doubleIfPresent(old))
      ?? local ?? defaults.theta
  }

  /// Inside the section, or at the top of the file, or the longest sequence.
  func originalContext() throws -> Double {
    let key = "original_max_position_embeddings"
    return try same(key, section.doubleIfPresent(key), config.doubleIfPresent(key)) ?? Double(context)
  }

  private func same(_ key: String, _ inside: Double?, _ outside: Double?) throws -> Double? {
    if let inside, let outside, inside != outside {
      throw ModelError.contradiction(
        file: config.file, first: "\(name).\(key)", "\(inside)", second: key, "\(outside)")
    }
    return inside ?? outside
  }

  /// A factor that is left out or null is the ratio of both contexts.
  private func factor(_ original: Double, isRequired: Bool) throws -> Double {
    if isRequired, section.members["factor"] == nil { _ = try section.double("factor") }
    return try section.doubleIfPresent("factor") ?? Double(context) / original
  }

  func yarn() throws -> YarnScaling {
    let original = try originalContext()
    let factor = try factor(original, isRequired: true)
    /// Numbers for which zero stands for none.
    func option(_ key: String) throws -> Double? { try section.doubleIfPresent(key).flatMap { $0 == 0 ? nil : $0 } }
    var attention = try section.doubleIfPresent("attention_factor")
    if attention == nil, let mscale = try option("mscale"), let all = try option("mscale_all_dim") {
      attention =
        YarnScaling.attentionFactor(factor, mscale: mscale) / YarnScaling.attentionFactor(factor, mscale: all)
    }
    return YarnScaling(
      factor: factor, originalContext: original, betaFast: try option("beta_fast") ?? 32,
      betaSlow: try option("beta_slow") ?? 1, attentionFactor: attention,
      truncates: try section.boolIfPresent("truncate") ?? true)
  }

  func longrope() throws -> LongRopeScaling {
    let original = try originalContext()
    func divisors(_ key: String) throws -> [Float] {
      try section.array(key).enumerated().map { index, value in
        guard let number = value.double else {
          throw CheckpointError.wrongType(
            file: config.file, key: "\(name).\(key)[\(index)]", expected: "a number", found: value.summary)
        }
        return Float(number)
      }
    }
    return LongRopeScaling(
      short: try divisors("short_factor"), long: try divisors("long_factor"), originalContext: original,
      extension: try factor(original, isRequired: false),
      attentionFactor: try section.doubleIfPresent("attention_factor"))
  }

  /// The share of each head's dimensions that is turned.
  ///
  /// - Throws: `ModelError.unsupportedFeature` if it is not all of them in a family that turns whole heads.
  static func turnedShare(
    _ config: HuggingFaceConfig, _ sections: [RopeSection], _ defaults: Family.Defaults
  ) throws -> Double {
    let key = "partial_rotary_factor"
    for (place, name) in sections.map({ ($0.section, "\($0.name).\(key)") }) + [(config, key)] {
      guard let share = try place.doubleIfPresent(key) else { continue }
      guard share == 1 || defaults.turnedShare != nil, share > 0, share <= 1 else {
        throw ModelError.unsupportedFeature(file: config.file, feature: "\(name) \(share)")
      }
      return share
    }
    return defaults.turnedShare ?? 1
  }
}
