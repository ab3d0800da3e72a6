import LinearAlgebra

/// What a model says of a token at its place: the logarithms of probabilities, in nats, at temperature 1.
public struct TokenScores: Sendable, Equatable {
  /// A token that might stand there.
  public struct Alternative: Sendable, Equatable {
    public let token: Int32
    public let logProbability: Double
  }

  public let token: Int32
  /// `log p(token)`, given all before it.
  public let logProbability: Double
  /// The tokens that are most likely there, the most likely first; of equal ones the first in the vocabulary.
  public let alternatives: [Alternative]

  /// - Parameters:
  ///   - logits: logits of the place, `[count]`; they are overwritten.
  ///   - most: number of alternatives.
  public init(of token: Int32, logits: UnsafeMutablePointer<Float>, count: Int, alternatives most: Int) {
    let normaliser = OutputHead.summary(logits, count: count, target: nil).normaliser
    self.token = token
    logProbability = Double(logits[Int(token)]) - normaliser
    alternatives = (0..<min(most, count)).map { _ in
      let best = Kernels.argmax(logits, count: count)
      defer { logits[best] = -.infinity }
      return Alternative(token: Int32(best), logProbability: Double(logits[best]) - normaliser)
    }
  }
}

extension Sampling {
  /// The token at quantile `uniform` of the distribution of a place's logits, `[count]`, which stay as they are.
  ///
  /// - Parameter uniform: number from 0 to 1, drawn evenly.
  public func token(_ logits: UnsafePointer<Float>, count: Int, uniform: Double) -> Int32 {
    if temperature <= 0 { return Int32(Kernels.argmax(logits, count: count)) }
    return withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { scratch in
      guard let base = scratch.baseAddress else { return 0 }
      base.initialize(from: logits, count: count)
      return draw(base, count: count, uniform: uniform)
    }
  }
}
