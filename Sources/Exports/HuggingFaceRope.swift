import Checkpoints
import LanguageModels

/// A rotary embedding in the terms of `config.json`: `rope_parameters` for transformers 5, `rope_theta` and
/// `rope_scaling` for older ones and other loaders.
struct HuggingFaceRope {
  let members: [String: JSONValue]

  init(_ configuration: ModelConfiguration, _ form: HuggingFaceForm) {
    let (kinds, turnsPart) = (configuration.attentionOfLayers, form.turnsPart)
    func section(_ rotary: RotaryConfiguration) -> [String: JSONValue] {
      var rotary = rotary
      let share = Double(rotary.turnedDimensions ?? configuration.headDimension) / Double(configuration.headDimension)
      if turnsPart {
        rotary.turnedDimensions = nil
      } else {
        rotary = rotary.turningWholeHeads(configuration.headDimension)
      }
      let scaling = Self.scaling(rotary, configuration)
      return turnsPart ? scaling.merging(["partial_rotary_factor": .number(share)]) { $1 } : scaling
    }
    func whole(_ rotary: RotaryConfiguration) -> JSONValue {
      .object(section(rotary).merging(["rope_theta": .number(rotary.theta)]) { $1 })
    }
    if form.tellsRotaryByType {
      let types = kinds.map { ($0.window == nil ? "full_attention" : "sliding_attention", whole($0.rotary)) }
      members = ["rope_parameters": .object(Dictionary(types) { first, _ in first })]
      return
    }
    let scaling = section(configuration.rotary)
    var members: [String: JSONValue] = [
      "rope_theta": .number(configuration.rotary.theta), "rope_parameters": whole(configuration.rotary),
    ]
    if scaling["rope_type"] != "default" { members["rope_scaling"] = .object(scaling) }
    if turnsPart { members["partial_rotary_factor"] = scaling["partial_rotary_factor"] }
    self.members = members
  }

  private static func scaling(
    _ rotary: RotaryConfiguration, _ configuration: ModelConfiguration
  ) -> [String: JSONValue] {
    switch rotary.recognisedScaling(headDimension: configuration.headDimension) ?? rotary.scaling {
    case .none:
      return ["rope_type": "default"]
    case .linear(let factor):
      return ["rope_type": "linear", "factor": .number(factor)]
    case .dynamic(let factor, _):
      return ["rope_type": "dynamic", "factor": .number(factor)]
    case .llama3(let factor, let low, let high, let original):
      return [
        "rope_type": "llama3", "factor": .number(factor), "low_freq_factor": .number(low),
        "high_freq_factor": .number(high), "original_max_position_embeddings": whole(original),
      ]
    case .yarn(let yarn):
      var members: [String: JSONValue] = [
        "rope_type": "yarn", "factor": .number(yarn.factor), "beta_fast": .number(yarn.betaFast),
        "beta_slow": .number(yarn.betaSlow), "attention_factor": .number(yarn.attentionFactor),
        "original_max_position_embeddings": whole(yarn.originalContext),
      ]
      if !yarn.truncates { members["truncate"] = false }
      return members
    case .longrope(let longrope):
      return Self.longrope(
        short: longrope.short, long: longrope.long, original: longrope.originalContext,
        attention: longrope.attentionFactor)
    // The one type of transformers that takes divisors as they are.
    case .factors(let divisors):
      return Self.longrope(
        short: divisors, long: divisors, original: Double(configuration.contextLength), attention: 1)
    case .divided(let divisors, let attention):
      return Self.longrope(
        short: divisors, long: divisors, original: Double(configuration.contextLength), attention: attention)
    }
  }

  private static func longrope(
    short: [Float], long: [Float], original: Double, attention: Double
  ) -> [String: JSONValue] {
    func numbers(_ values: [Float]) -> JSONValue { .array(values.map { .number(Double($0)) }) }
    return [
      "rope_type": "longrope", "short_factor": numbers(short), "long_factor": numbers(long),
      "attention_factor": .number(attention), "original_max_position_embeddings": whole(original),
    ]
  }

  private static func whole(_ value: Double) -> JSONValue { Int(exactly: value).map { .integer($0) } ?? .number(value) }
}
