import Foundation

/// Maps values to 0…1 along an axis and knows the round numbers to print beside it.
struct ChartScale: Equatable {
  var lower: Double
  var upper: Double
  var isLogarithmic: Bool
  /// Inside the domain, ascending, never empty.
  var ticks: [Double]
  /// Decimals that tell the ticks of a linear axis apart.
  var decimals: Int

  /// 0 at the lower end, 1 at the upper; values outside are put at the nearer end.
  func position(_ value: Double) -> Double {
    guard value.isFinite else { return value > 0 ? 1 : 0 }
    let share: Double
    if isLogarithmic {
      guard value > 0 else { return 0 }
      share = (log(value) - log(lower)) / (log(upper) - log(lower))
    } else {
      share = (value - lower) / (upper - lower)
    }
    return min(1, max(0, share))
  }

  func label(_ tick: Double) -> String {
    if isLogarithmic { return NumberText.significant(tick) }
    let isExtreme = max(abs(lower), abs(upper)) >= 1e7 || decimals > 6
    return isExtreme ? NumberText.significant(tick, digits: 6) : NumberText.fixed(tick, decimals)
  }

  /// An axis whose ends are the given numbers, widened where they coincide.
  static func linear(from lower: Double, to upper: Double, ticks wanted: Int) -> ChartScale {
    var (lower, upper) = (bounded(min(lower, upper)), bounded(max(lower, upper)))
    let size = max(abs(lower), abs(upper))
    if upper - lower <= size * 1e-9 {
      let room = size > 0 ? size * 0.1 : 0.5
      (lower, upper) = (lower - room, upper + room)
    }
    let step = niceStep((upper - lower) / Double(max(1, wanted)))
    let first = (lower / step - 1e-9).rounded(.up)
    let last = (upper / step + 1e-9).rounded(.down)
    let ticks = stride(from: first, through: last, by: 1).map { $0 * step }
    return ChartScale(
      lower: lower, upper: upper, isLogarithmic: false, ticks: ticks.isEmpty ? [lower] : ticks,
      decimals: decimals(of: step))
  }

  /// The axis of shares kept, in per cent, with some room beside them.
  ///
  /// - Parameter room: room on each side as a share of the span.
  static func kept(_ shares: [Double], room: Double, ticks: Int) -> ChartScale {
    let (low, high) = (shares.min() ?? 0, shares.max() ?? 1)
    let room = max(0.02, (high - low) * room)
    var scale = linear(from: max(0, min(low, high - 0.1) - room) * 100, to: (high + room) * 100, ticks: ticks)
    scale.ticks.removeAll { $0 > 100 }
    return scale
  }

  /// An axis from 0 to a round number not below `upper`.
  static func fromZero(to upper: Double, ticks wanted: Int) -> ChartScale {
    let upper = bounded(upper) > 0 ? bounded(upper) : 1
    let step = niceStep(upper / Double(max(1, wanted)))
    return linear(from: 0, to: (upper / step - 1e-9).rounded(.up) * step, ticks: wanted)
  }

  /// A logarithmic axis around two positive numbers, with some room on both sides.
  static func logarithmic(from lower: Double, to upper: Double, ticks wanted: Int) -> ChartScale {
    let (low, high) = (max(1e-300, bounded(min(lower, upper)) / 1.25), max(1e-300, bounded(max(lower, upper)) * 1.25))
    let decades = log10(high) - log10(low)
    let mantissas: [Double] = decades <= Double(wanted) / 2.5 ? [1, 2, 5] : [1]
    let every = max(1, Int((decades / Double(max(1, wanted))).rounded(.up)))
    let ticks = multiples(of: mantissas, from: low, to: high) { mantissas.count > 1 || $0 % every == 0 }
    return ChartScale(
      lower: low, upper: high, isLogarithmic: true, ticks: ticks.isEmpty ? [low] : ticks, decimals: 0)
  }

  /// The products of numbers with powers of ten that lie between two numbers.
  static func multiples(
    of mantissas: [Double], from low: Double, to high: Double, where isWanted: (_ exponent: Int) -> Bool = { _ in true }
  ) -> [Double] {
    (Int(log10(low).rounded(.down))...Int(log10(high).rounded(.up))).filter(isWanted)
      .flatMap { exponent in mantissas.map { $0 * pow(10, Double(exponent)) } }.filter { (low...high).contains($0) }
  }

  /// The scale of an objective: logarithmic where they span more than a factor of 20, else from zero.
  static func quality(_ values: [Double], ticks wanted: Int) -> ChartScale {
    let positive = values.filter { $0 > 0 && $0.isFinite }
    guard let low = positive.min(), let high = positive.max() else { return fromZero(to: 1, ticks: wanted) }
    return high / low > 20 ? logarithmic(from: low, to: high, ticks: wanted) : fromZero(to: high * 1.05, ticks: wanted)
  }

  /// A number whose differences and powers of ten are no infinities and no zeros.
  private static func bounded(_ value: Double) -> Double {
    abs(value) < 1e-290 || value.isNaN ? 0 : min(1e290, max(-1e290, value))
  }

  /// 1, 2, 2.5 or 5 times a power of ten, not below the given step.
  private static func niceStep(_ step: Double) -> Double {
    let power = pow(10, log10(step).rounded(.down))
    let factor = [1, 2, 2.5, 5].first { $0 * power >= step * (1 - 1e-9) } ?? 10
    return factor * power
  }

  private static func decimals(of step: Double) -> Int {
    (0...12).first { decimals in
      let scaled = step * pow(10, Double(decimals))
      return abs(scaled - scaled.rounded()) < 1e-6 * scaled
    } ?? 12
  }
}
