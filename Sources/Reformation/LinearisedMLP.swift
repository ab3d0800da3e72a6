import LanguageModels
import LinearAlgebra
import Runtime

/// The MLP for small changes of its gate (first rows) and up projections (last rows), on the tokens to fit on.
struct LinearisedMLP {
  private let fit: GatedFit
  private let gate: Linear
  private let up: Linear
  private let down: Matrix<Float>
  /// Those of all tokens, where they are kept.
  private let slopes: Slopes?
  /// `Jᵀr`, shape `[2·channels, hidden]`.
  let gradient: Matrix<Float>
  /// `Σ q²·‖D‖²` of every row of a change.
  let weights: [Float]

  /// `s·∂h/∂(Γx)` and `s·∂h/∂(Ux)`, shape `[tokens, channels]`.
  private typealias Slopes = (gate: Matrix<Float>, up: Matrix<Float>)

  init(_ fit: GatedFit, _ gate: Linear, _ up: Linear, _ down: Matrix<Float>) {
    (self.fit, self.gate, self.up, self.down) = (fit, gate, up, down)
    let (tokens, channels) = (fit.fit.inputs.rows, gate.outputs)
    let kept = fit.plan.keepsSlopes ? tokens : 0
    let slopes = (
      gate: Matrix<Float>(uninitialized: kept, columns: channels),
      up: Matrix<Float>(uninitialized: kept, columns: channels)
    )
    let gradient = Matrix<Float>(rows: 2 * channels, columns: gate.inputs)
    let squares = Matrix<Float>(rows: 2, columns: channels)
    GatedFit.forEachBlock(tokens) { rows in
      let (own, h) = Self.slopes(fit, gate, up, rows)
      let x = fit.fit.inputs.rows(rows)
      let rest = GatedFit.rest(fit.fit, rows, h, down)
      for i in 0..<rows.count {
        Kernels.addSquares(own.gate.row(i), 1, to: squares.row(0), count: channels)
        Kernels.addSquares(own.up.row(i), 1, to: squares.row(1), count: channels)
      }
      if kept > 0 {
        slopes.gate.rows(rows).assign(own.gate)
        slopes.up.rows(rows).assign(own.up)
      }
      Self.addTransposed(rest, x, own, down, into: gradient)
    }
    let lengths = Matrix<Float>(rows: 1, columns: channels)
    for i in 0..<down.rows { Kernels.addSquares(down.row(i), 1, to: lengths.pointer, count: channels) }
    weights = (0..<2 * channels).map { squares[$0 / channels, $0 % channels] * lengths[0, $0 % channels] }
    (self.slopes, self.gradient) = (kept > 0 ? slopes : nil, gradient)
  }

  /// The slopes of a block of tokens, and its activations `h`.
  private static func slopes(
    _ fit: GatedFit, _ gate: Linear, _ up: Linear, _ rows: Range<Int>
  ) -> (slopes: Slopes, h: Matrix<Float>) {
    let (g, u) = GatedFit.factors(fit.fit.inputs.rows(rows), gate, up)
    let h = Matrix<Float>(uninitialized: rows.count, columns: gate.outputs)
    h.fill(1)
    fit.activation.multiplyBackward(g, u, grad: h)
    for i in 0..<rows.count {
      for slope in [g, u] { Kernels.scale(slope.row(i), by: fit.fit.scales[rows.lowerBound + i], count: slope.columns) }
    }
    return ((g, u), h)
  }

  /// `JᵀJ·δ` and `‖J·δ‖²`.
  func multiply(_ change: Matrix<Float>) -> (Matrix<Float>, Double) {
    let channels = gate.outputs
    let result = Matrix<Float>(rows: change.rows, columns: change.columns)
    var length = 0.0
    GatedFit.forEachBlock(fit.fit.inputs.rows) { rows in
      let x = fit.fit.inputs.rows(rows)
      let own = slopes.map { ($0.gate.rows(rows), $0.up.rows(rows)) } ?? Self.slopes(fit, gate, up, rows).slopes
      let a = Matrix<Float>(uninitialized: x.rows, columns: channels)
      let b = Matrix<Float>(uninitialized: x.rows, columns: channels)
      LinearAlgebra.multiply(x, change.rows(0..<channels), transposingB: true, into: a)
      LinearAlgebra.multiply(x, change.rows(channels..<2 * channels), transposingB: true, into: b)
      for i in 0..<a.rows {
        Kernels.multiply(own.0.row(i), into: a.row(i), count: channels)
        Kernels.addProducts(b.row(i), own.1.row(i), to: a.row(i), count: channels)
      }
      let out = Matrix<Float>(uninitialized: x.rows, columns: down.rows)
      LinearAlgebra.multiply(a, down, transposingB: true, into: out)
      length += GatedFit.inner(out, out)
      Self.addTransposed(out, x, own, down, into: result)
    }
    return (result, length)
  }

  /// `Jᵀ·out` of a block of tokens.
  private static func addTransposed(
    _ out: Matrix<Float>, _ x: Matrix<Float>, _ slopes: Slopes, _ down: Matrix<Float>, into sum: Matrix<Float>
  ) {
    let channels = down.columns
    let p = Matrix<Float>(uninitialized: x.rows, columns: channels)
    LinearAlgebra.multiply(out, down, into: p)
    let scaled = Matrix<Float>(uninitialized: x.rows, columns: channels)
    for (slopes, rows) in [(slopes.gate, 0..<channels), (slopes.up, channels..<2 * channels)] {
      scaled.assign(p)
      for i in 0..<scaled.rows { Kernels.multiply(slopes.row(i), into: scaled.row(i), count: scaled.columns) }
      LinearAlgebra.multiply(scaled, x, transposingA: true, accumulate: 1, into: sum.rows(rows))
    }
  }
}
