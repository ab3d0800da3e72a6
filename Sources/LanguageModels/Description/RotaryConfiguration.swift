import Foundation

/// Rotary position embedding.
public struct RotaryConfiguration: Sendable, Equatable {
  /// More dimensions than heads of any model have.
  static let largestHead = 1 << 16

  public var theta: Double
  public var scaling: Scaling
  /// The dimensions of each head that are turned; `nil` for all. Pairs `0 ..< turned/2` are turned, the others stay.
  public var turnedDimensions: Int?

  /// How the base frequencies are changed, so that a model can be used on longer sequences than it was made for.
  public enum Scaling: Sendable, Equatable {
    case none
    /// Positions divided by `factor`.
    case linear(factor: Double)
    /// Llama 3's frequency-dependent interpolation.
    case llama3(factor: Double, lowFrequency: Double, highFrequency: Double, originalContext: Double)
    /// Divisors of the base frequencies, one per pair (`rope_freqs.weight` of a GGUF file).
    case factors([Float])
    /// The same, with a factor that cosines and sines are multiplied by: what no other case says.
    case divided(by: [Float], attentionFactor: Double)
    /// Sequences longer than `context` turn by a larger theta ("NTK-aware" scaling); shorter ones as without scaling.
    case dynamic(factor: Double, context: Double)
    case yarn(YarnScaling)
    case longrope(LongRopeScaling)
  }

  public init(theta: Double, scaling: Scaling = .none) {
    self.theta = theta
    self.scaling = scaling
  }

  /// What cosines and sines are multiplied by.
  public var attentionFactor: Float {
    switch scaling {
    case .none, .linear, .llama3, .factors, .dynamic: 1
    case .divided(_, let factor): Float(factor)
    case .yarn(let yarn): Float(yarn.attentionFactor)
    case .longrope(let longrope): Float(longrope.attentionFactor)
    }
  }
}

/// YaRN (arXiv 2309.00071, section 3.2): pairs that turn often within the original context keep their frequency, those that turn
/// rarely are interpolated by `factor`, those between are blended.
public struct YarnScaling: Sendable, Equatable {
  public var factor: Double
  /// Positions that the model was made for before it was extended.
  public var originalContext: Double
  /// Turns within the original context above which a pair keeps its frequency.
  public var betaFast: Double
  /// Turns below which a pair is interpolated.
  public var betaSlow: Double
  /// What cosines and sines are multiplied by (the paper's √(1/t)).
  public var attentionFactor: Double
  /// Whether the ends of the blend are rounded to whole pairs.
  public var truncates: Bool

  public init(
    factor: Double, originalContext: Double, betaFast: Double = 32, betaSlow: Double = 1,
    attentionFactor: Double? = nil,
    truncates: Bool = true
  ) {
    self.factor = factor
    self.originalContext = originalContext
    self.betaFast = betaFast
    self.betaSlow = betaSlow
    self.attentionFactor = attentionFactor ?? Self.attentionFactor(factor)
    self.truncates = truncates
  }

  /// The paper's recommendation (equation 22), with `mscale` as the weight that some models give the logarithm.
  public static func attentionFactor(_ factor: Double, mscale: Double = 1) -> Double {
    factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1
  }
}

/// LongRoPE (arXiv 2402.13753): divisors that were searched for, one set for sequences up to the original context and one for
/// longer ones.
public struct LongRopeScaling: Sendable, Equatable {
  /// One per pair.
  public var short: [Float]
  public var long: [Float]
  public var originalContext: Double
  /// What cosines and sines are multiplied by.
  public var attentionFactor: Double

  /// - Parameter extension: longest sequence, as a multiple of the original context; without `attentionFactor` it gives it.
  public init(
    short: [Float], long: [Float], originalContext: Double, extension factor: Double, attentionFactor: Double? = nil
  ) {
    self.short = short
    self.long = long
    self.originalContext = originalContext
    self.attentionFactor =
      attentionFactor ?? (factor <= 1 ? 1 : (1 + log(factor) / log(originalContext)).squareRoot())
  }
}
