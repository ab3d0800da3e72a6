import LanguageModels

extension RotaryConfiguration {
  /// The rope scaling that gives these divisors (`rope_freqs.weight` of a GGUF file), if one is found.
  ///
  /// Equal divisors are linear scaling. Those of Llama 3 are 1 for short wavelengths and the factor for long ones.
  /// Existing models have `low_freq_factor` 1, `high_freq_factor` 4 and an original context of a power of two, mostly
  /// 8192, so these are tried. Divisors must agree within 1e-4.
  func recognisedScaling(headDimension: Int) -> Scaling? {
    guard case .factors(let factors) = scaling, let smallest = factors.min(), let largest = factors.max() else {
      return nil
    }
    if largest - smallest <= 1e-4 * largest {
      return abs(largest - 1) <= 1e-4 ? Scaling.none : .linear(factor: Double(largest))
    }
    for original in [8192] + (4...20).map({ 1 << $0 }) {
      for factor in [Double(largest), Double(largest.rounded()), 8, 32] {
        let candidate = Scaling.llama3(
          factor: factor, lowFrequency: 1, highFrequency: 4, originalContext: Double(original))
        let divisors = RotaryConfiguration(theta: theta, scaling: candidate)
          .frequencyDivisors(headDimension: headDimension)
        if zip(divisors, factors).allSatisfy({ abs($0 - $1) <= 1e-4 * $1 }) { return candidate }
      }
    }
    return nil
  }
}
