import LinearAlgebra

/// A model of the loss in which the errors of modules act together: with the errors `e` of the curves and correlations `ρ`
///
///     loss = Σ_m e_m + Σ_{m≠m'} ρ_{mm'}·√(e_m·e_{m'})
///
/// which is `½·E[(Σ_m z_m)²]` with `z` of `LossTerms`. The curves keep the diagonal, because their factors, averaged over
/// tokens on their own, are less noisy than the terms.
public struct QuadraticLoss: Sendable {
  /// Two for each layer, in nats.
  public let curves: [ModuleCurve]
  /// The place of every module's first width in `form`.
  private let starts: [Int]
  /// `ρ·√(e·e')` of all widths of all modules, 0 within a module.
  private let form: Matrix<Float>

  /// - Parameter correlations: those of the same modules at some of their widths. Between them they are interpolated,
  ///   beyond them they are as at the nearest.
  public init(_ curves: [ModuleCurve], _ correlations: LossCorrelations) {
    precondition(curves.count == correlations.widths.count, "correlations of other modules")
    self.curves = curves
    starts = curves.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.widths.count) }
    let known = correlations.matrix
    let spread = Matrix<Float>(rows: starts.last ?? 0, columns: known.rows)
    for (module, curve) in curves.enumerated() where !correlations.widths[module].isEmpty {
      for (level, width) in curve.widths.enumerated() {
        let scale = Float(max(0, curve.errors[level]).squareRoot())
        for (place, share) in Self.shares(of: width, in: correlations.widths[module]) {
          spread[starts[module] + level, correlations.starts[module] + place] += scale * share
        }
      }
    }
    let half = Matrix<Float>(uninitialized: spread.rows, columns: known.columns)
    multiply(spread, known, into: half)
    form = Matrix(uninitialized: spread.rows, columns: spread.rows)
    multiply(half, spread, transposingB: true, into: form)
  }

  /// The neighbours of a width among some, with their shares.
  private static func shares(of width: Int, in widths: [Int]) -> [(place: Int, share: Float)] {
    guard let above = widths.firstIndex(where: { $0 >= width }) else { return [(widths.count - 1, 1)] }
    if above == 0 || widths[above] == width { return [(above, 1)] }
    let share = Float(width - widths[above - 1]) / Float(widths[above] - widths[above - 1])
    return [(above - 1, 1 - share), (above, share)]
  }

  /// The loss of a level of every curve, in nats.
  public func value(_ levels: [Int]) -> Double {
    let places = zip(starts, levels).map { $0 + $1 }
    return zip(curves, levels).reduce(0) { $0 + $1.0.errors[$1.1] }
      + places.reduce(0) { sum, i in places.reduce(sum) { $0 + Double(form[i, $1]) } }
  }

  /// `ρ·√(e·e')` of two modules at two levels.
  func together(_ a: (module: Int, level: Int), _ b: (module: Int, level: Int)) -> Double {
    Double(form[starts[a.module] + a.level, starts[b.module] + b.level])
  }

  /// For every level of every module what it has with the levels chosen for the others.
  func together(with levels: [Int]) -> [[Double]] {
    let sum = Matrix<Float>(rows: 1, columns: form.columns)
    for (start, level) in zip(starts, levels) {
      Kernels.add(form.row(start + level), to: sum.pointer, count: form.columns)
    }
    return zip(starts, curves).map { start, curve in curve.widths.indices.map { Double(sum[0, start + $0]) } }
  }
}
