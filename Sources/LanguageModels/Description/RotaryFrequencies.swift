import Foundation

extension RotaryConfiguration {
  /// Angular frequencies of the pairs, in radians per position, after scaling.
  ///
  /// Every step is rounded to single precision in the order of the reference implementation (`modeling_rope_utils.py` of
  /// transformers): at position 100,000 the last bit of a frequency is worth a hundredth of a radian.
  ///
  /// - Parameter length: positions of the sequence; `.dynamic` and `.longrope` turn long ones otherwise than short ones.
  public func frequencies(headDimension: Int, length: Int = 1) -> [Float] {
    if let turnedDimensions {
      var whole = self
      whole.turnedDimensions = nil
      let turned = whole.frequencies(headDimension: turnedDimensions, length: length)
      return turned + Array(repeating: 0, count: headDimension / 2 - turned.count)
    }
    switch scaling {
    case .none:
      return Self.base(theta, headDimension)
    case .linear(let factor):
      return Self.base(theta, headDimension).map { $0 / Float(factor) }
    case .factors(let factors), .divided(let factors, _):
      return zip(Self.base(theta, headDimension), factors).map { $0 / $1 }
    case .dynamic(let factor, let context):
      guard Double(length) > context else { return Self.base(theta, headDimension) }
      let stretch = Float(factor) * Float(length) / Float(context) - Float(factor - 1)
      let exponent = Double(headDimension) / Double(headDimension - 2)
      return Self.base(Double(Float(theta) * Float(pow(Double(stretch), exponent))), headDimension)
    case .llama3(let factor, let low, let high, let context):
      return Self.base(theta, headDimension).map {
        Self.llama3($0, factor: Float(factor), low: Float(low), high: Float(high), context: Float(context))
      }
    case .yarn(let yarn):
      return yarn.frequencies(theta: theta, headDimension: headDimension)
    case .longrope(let longrope):
      let divisors = Double(length) > longrope.originalContext ? longrope.long : longrope.short
      return zip(Self.powers(theta, headDimension), divisors).map { 1 / ($1 * $0) }
    }
  }

  /// What each base frequency is divided by: ones where there is no scaling. Of the scalings that depend on a sequence's length,
  /// those of short ones.
  public func frequencyDivisors(headDimension: Int) -> [Float] {
    let half = headDimension / 2
    if turnedDimensions != nil {
      return zip(Self.base(theta, headDimension), frequencies(headDimension: headDimension)).map(Self.divisor)
    }
    switch scaling {
    case .none, .dynamic:
      return Array(repeating: 1, count: half)
    case .linear(let factor):
      return Array(repeating: Float(factor), count: half)
    case .factors(let factors), .divided(let factors, _):
      return factors
    case .longrope(let longrope):
      return longrope.short
    case .llama3, .yarn:
      return zip(Self.base(theta, headDimension), frequencies(headDimension: headDimension)).map(Self.divisor)
    }
  }

  /// The same rotation with the ends of yarn's blend rounded to whole pairs; `nil` if that changes the frequencies.
  public func roundingYarn(_ headDimension: Int) -> RotaryConfiguration? {
    guard case .yarn(var yarn) = scaling, !yarn.truncates else { return self }
    var rounded = self
    yarn.truncates = true
    rounded.scaling = .yarn(yarn)
    let pairs = zip(frequencies(headDimension: headDimension), rounded.frequencies(headDimension: headDimension))
    return pairs.allSatisfy { abs($0 - $1) <= 5e-6 * $0 } ? rounded : nil
  }

  /// The divisor of a pair that is not turned: no position times what it leaves is an angle that changes a cosine.
  private static let still: Float = 1e20

  /// The same rotation without dimensions that are left out by their number: their frequencies are divided by a number
  /// that leaves nothing.
  public func turningWholeHeads(_ headDimension: Int) -> RotaryConfiguration {
    guard turnedDimensions != nil else { return self }
    var result = self
    result.turnedDimensions = nil
    switch scaling {
    case .longrope(var longrope):
      func divisors(length: Int) -> [Float] {
        zip(Self.base(theta, headDimension), frequencies(headDimension: headDimension, length: length))
          .map(Self.divisor)
      }
      let (short, long) = (divisors(length: 1), divisors(length: Int(longrope.originalContext) + 1))
      (longrope.short, longrope.long) = (short, long)
      result.scaling = .longrope(longrope)
    default: result.scaling = Self.scaling(frequencyDivisors(headDimension: headDimension), attentionFactor)
    }
    return result
  }

  /// The rotation of narrower heads, each of which has some of the pairs of these and turns them as fast as before.
  ///
  /// - Parameters:
  ///   - pairs: those that stay, ascending; of heads whose pairs are all turned, at speeds that do not depend on the
  ///     sequence's length but for LongRoPE's.
  ///   - headDimension: of the heads before.
  func keeping(pairs: [Int], of headDimension: Int) -> RotaryConfiguration {
    if 2 * pairs.count == headDimension { return self }
    func divisors(length: Int) -> [Float] {
      let before = frequencies(headDimension: headDimension, length: length)
      return zip(Self.base(theta, 2 * pairs.count), pairs).map { Self.divisor(of: $0, for: before[$1]) }
    }
    var result = self
    switch scaling {
    case .longrope(var longrope):
      (longrope.short, longrope.long) = (
        divisors(length: 1), divisors(length: Int(longrope.originalContext) + 1)
      )
      result.scaling = .longrope(longrope)
    default: result.scaling = Self.scaling(divisors(length: 1), attentionFactor)
    }
    return result
  }

  private static func scaling(_ divisors: [Float], _ attentionFactor: Float) -> Scaling {
    attentionFactor == 1 ? .factors(divisors) : .divided(by: divisors, attentionFactor: Double(attentionFactor))
  }

  /// The number by which a frequency must be divided to give another, to the last bit where one does.
  private static func divisor(of base: Float, for frequency: Float) -> Float {
    if frequency == 0 { return still }
    let quotient = base / frequency
    let near = [quotient, quotient.nextUp, quotient.nextDown]
    return near.min { abs(base / $0 - frequency) < abs(base / $1 - frequency) } ?? quotient
  }

  /// `theta^(2i/D)`.
  fileprivate static func powers(_ theta: Double, _ headDimension: Int) -> [Float] {
    (0..<headDimension / 2).map { i in
      let exponent = Float(2 * i) / Float(headDimension)
      return Float(pow(Double(Float(theta)), Double(exponent)))
    }
  }

  /// `theta^(−2i/D)`.
  fileprivate static func base(_ theta: Double, _ headDimension: Int) -> [Float] {
    powers(theta, headDimension).map { 1 / $0 }
  }

  /// Llama 3.1's rule: long wavelengths are interpolated by `factor`, short ones left alone, those between blended linearly.
  private static func llama3(_ frequency: Float, factor: Float, low: Float, high: Float, context: Float) -> Float {
    let wavelength = Float(2 * Double.pi) / frequency
    if wavelength > context / low { return frequency / factor }
    if wavelength < context / high { return frequency }
    let smooth = (context / wavelength - low) / (high - low)
    return (1 - smooth) * frequency / factor + smooth * frequency
  }
}

extension YarnScaling {
  /// Equations 17 to 21 of the paper, pair by pair.
  func frequencies(theta: Double, headDimension: Int) -> [Float] {
    let (low, length) = blend(theta: theta, headDimension: headDimension)
    return RotaryConfiguration.powers(theta, headDimension).enumerated().map { i, power -> Float in
      let ramp = min(1, max(0, (Float(i) - low) / length))
      let kept = 1 - ramp
      return 1 / (Float(factor) * power) * (1 - kept) + 1 / power * kept
    }
  }

  /// The first of the pairs whose frequencies are blended, and how many they are.
  private func blend(theta: Double, headDimension: Int) -> (low: Float, length: Float) {
    /// The pair that makes so many turns within the original context.
    func pair(turns: Double) -> Double {
      Double(headDimension) * log(originalContext / (turns * 2 * Double.pi)) / (2 * log(theta))
    }
    var (low, high) = (pair(turns: betaFast), pair(turns: betaSlow))
    if truncates { (low, high) = (low.rounded(.down), high.rounded(.up)) }
    (low, high) = (max(low, 0), min(high, Double(headDimension - 1)))
    return (Float(low), Float(high == low ? 0.001 : high - low))
  }
}
