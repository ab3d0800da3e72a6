import Foundation

/// The axis of perplexity ratios: from the dense model's 1 to a ceiling above which nothing is worth telling apart.
struct RatioScale: Equatable {
  /// How far above the worst of the best the axis reaches.
  static let headroom = 6.0

  var scale: ChartScale
  /// Ratios above this are marked at the upper edge; nil where none are.
  var ceiling: Double?

  /// - Parameters:
  ///   - ratios: all that are to be drawn.
  ///   - winners: the best ratio of every size. The axis reaches `headroom` times the largest of them, or the largest
  ///     ratio where that is less, so that a method that destroyed the model does not squash those that did not.
  init(_ ratios: [Double], winners: [Double], ticks wanted: Int) {
    let finite = ratios.filter { $0 > 0 && $0.isFinite }
    let low = min(1, finite.min() ?? 1)
    let most = finite.max() ?? 1
    let limit = max(1, winners.filter { $0 > 0 && $0.isFinite }.max() ?? 1) * Self.headroom
    let high = max(min(most, limit), low * 1.1)
    ceiling = most > limit || ratios.contains(.infinity) ? limit : nil
    if ceiling != nil, limit > most { ceiling = most }
    guard high / low > 3 else {
      scale = .linear(from: low - (high - low) * 0.05, to: high + (high - low) * 0.08, ticks: wanted)
      return
    }
    scale = .logarithmic(from: low, to: high, ticks: wanted)
    (scale.lower, scale.upper) = (low / 1.06, high * 1.12)
    scale.ticks = Self.ticks(from: scale.lower, to: scale.upper, wanted: wanted)
  }

  func isClipped(_ ratio: Double) -> Bool { ceiling.map { ratio > $0 } ?? false }

  /// Round numbers, as many as wanted or the next fewer.
  private static func ticks(from low: Double, to high: Double, wanted: Int) -> [Double] {
    let choices: [[Double]] = [
      [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 7], [1, 1.5, 2, 3, 5, 7], [1, 2, 3, 5], [1, 2, 5], [1],
    ]
    let sets = choices.map { ChartScale.multiples(of: $0, from: low, to: high) }
    if let fitting = sets.first(where: { $0.count <= wanted + 2 }) { return fitting }
    let powers = sets[sets.count - 1]
    return stride(from: 0, to: powers.count, by: (powers.count + wanted - 1) / wanted).map { powers[$0] }
  }
}
