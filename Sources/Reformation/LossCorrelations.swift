import LinearAlgebra

/// How the errors of modules go together: the correlation of what they add to the loss of single tokens.
///
/// A correlation of two modules is small beside the noise of a few thousand tokens, but there are many pairs. So each is
/// shrunk toward 0 by the reliability `2r/(1 + r)` of Spearman and Brown, where `r` is the agreement of the correlations of
/// even windows with those of odd ones.
public struct LossCorrelations: Sendable {
  /// The widths of every module, ascending.
  public let widths: [[Int]]
  /// The place of every module's first width in `matrix`, and the number of all widths.
  let starts: [Int]
  /// Shape `[all widths, all widths]`: shrunk; 0 within a module.
  let matrix: Matrix<Float>
  /// The factor of every correlation, from 0 to 1.
  public let reliability: Double

  /// - Parameter terms: one window at least.
  public init(_ terms: LossTerms) {
    widths = terms.widths
    let starts = terms.widths.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.count) }
    self.starts = starts
    let halves = [0, 1].map { Self.gram(terms, ofWindows: $0, columns: starts.last ?? 0) }
    let whole = halves[0].copy()
    Kernels.add(halves[1].pointer, to: whole.pointer, count: whole.count)
    for gram in halves + [whole] { Self.normalise(gram, starts) }
    func product(_ a: Matrix<Float>, _ b: Matrix<Float>) -> Double {
      (0..<a.rows).reduce(0) { $0 + Double(Kernels.dot(a.row($1), b.row($1), count: a.columns)) }
    }
    let squares = (product(halves[0], halves[0]) * product(halves[1], halves[1])).squareRoot()
    let agreement = squares > 0 ? max(0, product(halves[0], halves[1]) / squares) : 0
    reliability = 2 * agreement / (1 + agreement)
    Kernels.scale(whole.pointer, by: Float(reliability), count: whole.count)
    matrix = whole
  }

  /// The second moments of the terms of all modules over every second window.
  private static func gram(_ terms: LossTerms, ofWindows parity: Int, columns: Int) -> Matrix<Float> {
    let gram = Matrix<Float>(rows: columns, columns: columns)
    let windows = (terms.modules.first?.rows ?? 0) / max(1, terms.length)
    let together = Matrix<Float>(uninitialized: terms.length, columns: columns)
    for window in stride(from: parity, to: windows, by: 2) {
      var start = 0
      for module in terms.modules {
        let rows = window * terms.length..<(window + 1) * terms.length
        together.columns(start..<start + module.columns).assign(module.rows(rows))
        start += module.columns
      }
      accumulateGram(together, accumulate: 1, into: gram)
    }
    mirrorUpperTriangle(gram)
    return gram
  }

  /// Makes correlations of second moments; those within a module become 0, and those of widths that err nowhere.
  private static func normalise(_ gram: Matrix<Float>, _ starts: [Int]) {
    let scales = (0..<gram.rows).map { gram[$0, $0] > 0 ? 1 / gram[$0, $0].squareRoot() : 0 }
    scales.withUnsafeBufferPointer { scales in
      for (first, last) in zip(starts, starts.dropFirst()) {
        for i in first..<last {
          let row = gram.row(i)
          for j in 0..<gram.columns { row[j] *= scales[i] * scales[j] }
          (row + first).update(repeating: 0, count: last - first)
        }
      }
    }
  }
}
