/// A small, fast pseudo-random generator whose numbers are the same on every machine, now and later.
///
/// xoshiro256++ (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021) with its 256 bits of
/// state filled by SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014), as its
/// authors advise. Every candidate of a study has its own generator, made from the study's seed and the candidate's
/// ordinal. So the draws of a candidate depend neither on the number of workers nor on how often a run was resumed.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: (UInt64, UInt64, UInt64, UInt64)

  /// Generator number `stream` of the family that `seed` names.
  public init(seed: UInt64, stream: UInt64 = 0) {
    // The stream is scrambled before it meets the seed, so that neighbouring (seed, stream) pairs share no state.
    let start = seed ^ splitMix64(stream)
    state = (splitMix64(start), splitMix64(start, 1), splitMix64(start, 2), splitMix64(start, 3))
  }

  /// A generator in a given state, for comparison with published outputs. The state must not be all zeros.
  init(state: (UInt64, UInt64, UInt64, UInt64)) {
    self.state = state
  }

  public mutating func next() -> UInt64 {
    let result = Self.rotate(state.0 &+ state.3, by: 23) &+ state.0
    let shifted = state.1 << 17
    state.2 ^= state.0
    state.3 ^= state.1
    state.1 ^= state.2
    state.0 ^= state.3
    state.2 ^= shifted
    state.3 = Self.rotate(state.3, by: 45)
    return result
  }

  private static func rotate(_ value: UInt64, by count: UInt64) -> UInt64 {
    value << count | value >> (64 - count)
  }

  /// Uniform in `0 ..< bound`, without bias; 0 if `bound` is below 2.
  ///
  /// Source: Lemire, "Fast random integer generation in an interval", 2019.
  public mutating func integer(below bound: Int) -> Int {
    if bound < 2 { return 0 }
    let range = UInt64(bound)
    var product = next().multipliedFullWidth(by: range)
    if product.low < range {
      let threshold = (0 &- range) % range
      while product.low < threshold { product = next().multipliedFullWidth(by: range) }
    }
    return Int(product.high)
  }

  /// Uniform in a closed range. The range must have fewer than `Int.max` members.
  public mutating func integer(in range: ClosedRange<Int>) -> Int {
    range.lowerBound + integer(below: range.upperBound - range.lowerBound + 1)
  }

  /// Uniform in `[0, 1)`, a multiple of 2⁻⁵³.
  public mutating func unit() -> Double {
    Double(next() >> 11) * 0x1p-53
  }

  /// `true` with the given probability.
  public mutating func chance(_ probability: Double) -> Bool {
    unit() < probability
  }

  /// An index drawn in proportion to its weight, `nil` if no weight is positive. Negative weights count as zero.
  public mutating func index(weights: [Int]) -> Int? {
    var total = 0
    for weight in weights where weight > 0 {
      let (sum, overflow) = total.addingReportingOverflow(weight)
      total = overflow ? .max : sum
    }
    if total == 0 { return nil }
    var left = integer(below: total)
    for (index, weight) in weights.enumerated() where weight > 0 {
      if left < weight { return index }
      left -= weight
    }
    return nil
  }

  /// A number in `1 ... limit` whose order of magnitude is uniform: small ones are likely, large ones possible.
  public mutating func magnitude(upTo limit: Int) -> Int {
    if limit < 2 { return 1 }
    let bits = Int.bitWidth - limit.leadingZeroBitCount
    let low = 1 << integer(below: bits)
    return integer(in: low...min(low - 1 + low, limit))
  }
}

/// Number `index` of the outputs of SplitMix64, a 64-bit counter with a strong output mix. Each is a bijection of the
/// state that spreads every bit over all.
public func splitMix64(_ state: UInt64, _ index: UInt64 = 0) -> UInt64 {
  var mixed = state &+ (index &+ 1) &* 0x9e37_79b9_7f4a_7c15
  mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
  mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
  return mixed ^ mixed >> 31
}
