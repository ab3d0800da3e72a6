import Foundation
import LinearAlgebra

/// How far the errors of modules go together: the correlation of what they add to the loss falls with the layers `d`
/// between them as `strength·exp(−d/reach)`.
///
/// A few thousand tokens tell nothing of a single pair of modules: its correlation is a few hundredths, and so is the
/// noise. (An allocation by the correlations of all pairs makes use of the noise.) But they tell these two numbers.
public struct ErrorCorrelation: Sendable, Equatable {
  /// The correlation of attention and MLP of one layer, from 0 to 1.
  public let strength: Double
  /// Layers over which it falls to `1/e`.
  public let reach: Double

  public init(strength: Double, reach: Double) { (self.strength, self.reach) = (strength, reach) }

  /// Fits both numbers by least squares to the correlations of all pairs of modules at all widths.
  ///
  /// The moments are half those of tokens on their own and half those of sums over windows: an error at one token
  /// changes the loss of later ones, which only the sums know, and they are noisier.
  ///
  /// - Parameter terms: one window at least.
  public init(_ terms: LossTerms) {
    let starts = terms.widths.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.count) }
    let moments = Self.moments(terms, starts)
    let scales = (0..<moments.rows).map { moments[$0, $0] > 0 ? 1 / Double(moments[$0, $0]).squareRoot() : 0 }
    // By layers between two modules: the sum of the correlations, and their number.
    var sums = Array(repeating: (correlation: 0.0, count: 0.0), count: terms.widths.count)
    for a in terms.widths.indices {
      for b in terms.widths.indices.dropFirst(a + 1) {
        for i in starts[a]..<starts[a + 1] where scales[i] > 0 {
          for j in starts[b]..<starts[b + 1] where scales[j] > 0 {
            sums[b / 2 - a / 2].correlation += Double(moments[i, j]) * scales[i] * scales[j]
            sums[b / 2 - a / 2].count += 1
          }
        }
      }
    }
    self = Self.fit(sums)
  }

  /// The reach is looked for among sixty values from half a layer to sixty; the best strength has a closed form.
  private static func fit(_ sums: [(correlation: Double, count: Double)]) -> ErrorCorrelation {
    var best = (error: 0.0, found: ErrorCorrelation(strength: 0, reach: 1))
    for step in 0..<60 {
      let reach = 0.5 * pow(120, Double(step) / 59)
      var (product, square) = (0.0, 0.0)
      for (distance, sum) in sums.enumerated() {
        let fall = exp(-Double(distance) / reach)
        product += fall * sum.correlation
        square += fall * fall * sum.count
      }
      let strength = square > 0 ? min(1, max(0, product / square)) : 0
      let error = strength * (strength * square - 2 * product)
      if error < best.error { best = (error, ErrorCorrelation(strength: strength, reach: reach)) }
    }
    return best.found
  }

  /// The second moments of all terms, shape `[terms, terms]`.
  private static func moments(_ terms: LossTerms, _ starts: [Int]) -> Matrix<Float> {
    let (rows, columns) = (terms.modules.first?.rows ?? 0, starts.last ?? 0)
    let windows = rows / max(1, terms.length)
    let result = Matrix<Float>(rows: columns, columns: columns)
    let tokens = Matrix<Float>(uninitialized: terms.length, columns: columns)
    let sums = Matrix<Float>(rows: windows, columns: columns)
    for window in 0..<windows {
      for (start, module) in zip(starts, terms.modules) {
        tokens.columns(start..<start + module.columns)
          .assign(module.rows(window * terms.length..<(window + 1) * terms.length))
      }
      accumulateGram(tokens, accumulate: 1, into: result)
      for i in 0..<tokens.rows { Kernels.add(tokens.row(i), to: sums.row(window), count: columns) }
    }
    accumulateGram(sums, accumulate: 1, into: result)
    mirrorUpperTriangle(result)
    return result
  }

  /// The correlation of two modules.
  public func value(layersBetween distance: Int) -> Double { strength * exp(-Double(distance) / reach) }
}
