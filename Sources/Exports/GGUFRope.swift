import Checkpoints
import LanguageModels

/// A rotary embedding in the terms of llama.cpp: keys of the metadata (without the architecture's name before them) and
/// tensors.
struct GGUFRope {
  private(set) var members: [(key: String, value: GGUFValue)] = []
  /// Divisors of the frequencies by the names of their tensors, which only the architectures `llama` and `deci` load.
  private(set) var tensors: [(name: String, values: [Float])] = []

  init(_ configuration: ModelConfiguration, _ form: GGUFForm) {
    var rotary = configuration.rotary
    var dimension = configuration.headDimension
    if form.turnsPart {
      dimension = rotary.turnedDimensions ?? dimension
    } else {
      rotary = rotary.turningWholeHeads(dimension)
    }
    rotary.turnedDimensions = nil
    rotary = rotary.roundingYarn(dimension) ?? rotary
    members = [("rope.dimension_count", .uint32(UInt32(dimension))), ("rope.freq_base", .float32(Float(rotary.theta)))]
    switch rotary.scaling {
    case .none: break
    // Up to the context, which llama.cpp exceeds only on request, it turns as without scaling.
    case .dynamic: break
    case .linear(let factor):
      scale("linear", factor: factor)
    case .llama3, .factors:
      divide(rotary.frequencyDivisors(headDimension: dimension))
    case .divided(let divisors, let attention):
      members.append(("rope.scaling.type", .string("none")))
      lengthen(attention)
      divide(divisors)
    case .yarn(let yarn) where yarn.betaFast == 32 && yarn.betaSlow == 1 && yarn.truncates:
      scale("yarn", factor: yarn.factor)
      keep(yarn.originalContext)
      lengthen(yarn.attentionFactor / YarnScaling.attentionFactor(yarn.factor))
    case .yarn(let yarn):
      // llama.cpp knows no other ends of the blend, so the resulting divisors are written.
      members.append(("rope.scaling.type", .string("none")))
      lengthen(yarn.attentionFactor)
      divide(rotary.frequencyDivisors(headDimension: dimension))
    case .longrope(let longrope):
      members.append(("rope.scaling.type", .string("longrope")))
      keep(longrope.originalContext)
      lengthen(longrope.attentionFactor)
      tensors = [("rope_factors_long.weight", longrope.long), ("rope_factors_short.weight", longrope.short)]
    }
  }

  private mutating func scale(_ type: String, factor: Double) {
    members += [("rope.scaling.type", .string(type)), ("rope.scaling.factor", .float32(Float(factor)))]
  }

  private mutating func keep(_ originalContext: Double) {
    let positions = UInt32(exactly: originalContext.rounded()) ?? .max
    members.append(("rope.scaling.original_context_length", .uint32(positions)))
  }

  private mutating func lengthen(_ factor: Double) {
    if abs(factor - 1) > 1e-6 { members.append(("rope.scaling.attn_factor", .float32(Float(factor)))) }
  }

  private mutating func divide(_ divisors: [Float]) { tensors = [("rope_freqs.weight", divisors)] }
}
