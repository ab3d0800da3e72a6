import LanguageModels
import LinearAlgebra
import Runtime

/// Fits the gate and up projections of an MLP, its down projection held, to what the residual stream lacks.
///
///     min over Γ, U :  E s²‖ y − D[ act(Γx) ⊙ Ux ] ‖²
///
/// with the inputs `x` that the MLP has in the subnet, `y` what the stream lacks before it, and `s` the weight of a
/// token. Kept channels can learn to do what removed ones did, which no fit of a single matrix can ask of them. Every
/// token gives as many equations as the stream is wide, so few tokens determine many weights.
///
/// The problem is linear in small changes (Gauss-Newton). It is solved by conjugate gradients, which need no matrix but
/// products with it, preconditioned by `diag(E[q²])·‖D‖² ⊗ E[x xᵀ]`. There is no damping: the held-out tokens say after
/// how many steps to stop, which damps directions that the calibration barely knows (Steihaug 1983).
struct GatedFit {
  /// Tokens to fit on, or to judge by.
  struct Tokens {
    /// `x`, shape `[tokens, hidden]`.
    let inputs: Matrix<Float>
    /// `s·y`, shape `[tokens, hidden]`.
    let lacking: Matrix<Float>
    /// `s` of each token.
    let scales: [Float]
  }

  /// The settings. A user sets nothing of them.
  struct Plan {
    /// Times that the problem is made linear anew. A second is worth a fifth of the first.
    var rounds = 1
    /// Steps of conjugate gradients, at most.
    var steps = 8
    /// Steps without a gain on the held-out tokens before it stops.
    var patience = 2
    /// λ of `E[x xᵀ]` in the preconditioner, as a share of its mean diagonal.
    var damping = 0.01
    /// Tokens to fit on, at most.
    var tokens = SequentialReformation.gateTokens
    /// Whether slopes are kept from step to step, or computed anew.
    var keepsSlopes = true
    /// The least gain of a round that is worth another.
    var worthwhile = 0.01
  }

  let activation: Activation
  let fit: Tokens
  let check: Tokens
  var plan = Plan()
  /// Rows that are worked on at once: the temporaries stay small.
  private static let block = 2048

  /// Fits the current MLP of two streams, and computes what its down projection reads anew.
  ///
  /// - Parameter memory: plan whose share for candidates says whether slopes are kept; the result is the same.
  /// - Returns: as `improve`.
  static func improve(
    _ layer: inout LayerWeights, _ activation: Activation, _ memory: MemoryPlan, fit: ResidualStreams,
    check: ResidualStreams, _ tokens: SequentialReformation.Options.Tokens
  ) throws -> Double {
    var (plan, gate, up) = (Plan(), layer[.gate], layer[.up])
    let kept = try fit.gatedTokens(layer, tokens, atMost: plan.tokens)
    plan.keepsSlopes = 2 * kept.inputs.rows * gate.outputs * MemoryLayout<Float>.size <= memory.candidates
    let gated = GatedFit(
      activation: activation, fit: kept, check: try check.gatedTokens(layer, tokens), plan: plan)
    let error = try gated.improve(&gate, &up, down: layer[.down].weight)
    (layer[.gate], layer[.up]) = (gate, up)
    try fit.renew(layer)
    try check.renew(layer)
    return error
  }

  /// - Returns: the held-out error relative to that before; 1 if nothing was changed.
  func improve(_ gate: inout Linear, _ up: inout Linear, down: Matrix<Float>) throws -> Double {
    let start = error(gate, up, down)
    guard start > 0, start.isFinite else { return 1 }
    let preconditioner = try Preconditioner(fit.inputs, damping: plan.damping)
    var best = start
    for _ in 0..<plan.rounds {
      let before = best
      guard let found = step(gate, up, down, preconditioner, from: best) else { break }
      (gate.weight, up.weight, best) = found
      if best > (1 - plan.worthwhile) * before { break }
    }
    return best / start
  }

  /// The best state on the way of one solution; `nil` if none is better than the start.
  private func step(
    _ gate: Linear, _ up: Linear, _ down: Matrix<Float>, _ preconditioner: Preconditioner, from start: Double
  ) -> (gate: Matrix<Float>, up: Matrix<Float>, error: Double)? {
    let system = LinearisedMLP(self, gate, up, down)
    let change = Matrix<Float>(rows: 2 * gate.outputs, columns: gate.inputs)
    let rest = system.gradient
    var direction = preconditioner.apply(rest, system.weights)
    var product = Self.inner(rest, direction)
    var best: (gate: Matrix<Float>, up: Matrix<Float>, error: Double)?
    var failures = 0
    for _ in 0..<plan.steps where product > 0 && product.isFinite {
      let (image, length) = system.multiply(direction)
      guard length > 0, length.isFinite else { break }
      let step = Float(product / length)
      Kernels.addScaled(direction.pointer, step, to: change.pointer, count: change.count)
      Kernels.addScaled(image.pointer, -step, to: rest.pointer, count: rest.count)
      let moved = Self.moved(gate, up, change)
      let error = error(moved.gate, moved.up, down)
      if error < best?.error ?? start {
        (best, failures) = ((moved.gate.weight, moved.up.weight, error), 0)
      } else {
        failures += 1
        if failures == plan.patience { break }
      }
      let next = preconditioner.apply(rest, system.weights)
      let nextProduct = Self.inner(rest, next)
      Kernels.addScaled(direction.pointer, Float(nextProduct / product), to: next.pointer, count: next.count)
      (direction, product) = (next, nextProduct)
    }
    return best
  }

  private static func moved(_ gate: Linear, _ up: Linear, _ change: Matrix<Float>) -> (gate: Linear, up: Linear) {
    func moved(_ linear: Linear, _ rows: Range<Int>) -> Linear {
      let weight = linear.weight.copy()
      for i in 0..<weight.rows {
        Kernels.add(change.row(rows.lowerBound + i), to: weight.row(i), count: weight.columns)
      }
      return Linear(weight: weight, bias: linear.bias)
    }
    return (moved(gate, 0..<gate.outputs), moved(up, gate.outputs..<2 * gate.outputs))
  }

  fileprivate static func inner(_ a: Matrix<Float>, _ b: Matrix<Float>) -> Double {
    (0..<a.rows).reduce(0) { $0 + Double(Kernels.dot(a.row($1), b.row($1), count: a.columns)) }
  }

  /// The mean squared error of the held-out tokens.
  private func error(_ gate: Linear, _ up: Linear, _ down: Matrix<Float>) -> Double {
    var sum = 0.0
    Self.forEachBlock(check.inputs.rows) { rows in
      let (g, u) = Self.factors(check.inputs.rows(rows), gate, up)
      activation.multiply(g.pointer, u.pointer, count: g.count)
      let rest = Self.rest(check, rows, g, down)
      sum += Self.inner(rest, rest)
    }
    return sum / Double(max(1, check.inputs.rows))
  }

  fileprivate static func forEachBlock(_ count: Int, _ body: (Range<Int>) -> Void) {
    for start in stride(from: 0, to: count, by: block) { body(start..<min(start + block, count)) }
  }

  fileprivate static func factors(
    _ x: Matrix<Float>, _ gate: Linear, _ up: Linear
  ) -> (gate: Matrix<Float>, up: Matrix<Float>) {
    let g = Matrix<Float>(uninitialized: x.rows, columns: gate.outputs)
    let u = Matrix<Float>(uninitialized: x.rows, columns: gate.outputs)
    gate.apply(x, into: g)
    up.apply(x, into: u)
    return (g, u)
  }

  /// `s·(y − D h)`.
  fileprivate static func rest(
    _ tokens: Tokens, _ rows: Range<Int>, _ h: Matrix<Float>, _ down: Matrix<Float>
  ) -> Matrix<Float> {
    let rest = Matrix<Float>(uninitialized: rows.count, columns: down.rows)
    multiply(h, down, transposingB: true, into: rest)
    for i in 0..<rows.count {
      Kernels.scale(rest.row(i), by: -tokens.scales[rows.lowerBound + i], count: rest.columns)
      Kernels.add(tokens.lacking.row(rows.lowerBound + i), to: rest.row(i), count: rest.columns)
    }
    return rest
  }
}

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

/// `diag(w)⁻¹ · G · E[x xᵀ]⁻¹`.
private struct Preconditioner {
  private let inverse: Matrix<Float>

  init(_ inputs: Matrix<Float>, damping: Double) throws {
    let gram = try SecondMoments.gram(inputs)
    let mean = (0..<gram.rows).reduce(0.0) { $0 + gram[$1, $1] } / Double(max(1, gram.rows))
    for i in 0..<gram.rows { gram[i, i] += damping * mean + .leastNormalMagnitude }
    inverse = try CholeskyFactor(factorising: gram).inverse().transposedNarrowed()
  }

  func apply(_ gradient: Matrix<Float>, _ weights: [Float]) -> Matrix<Float> {
    let result = Matrix<Float>(uninitialized: gradient.rows, columns: gradient.columns)
    multiply(gradient, inverse, into: result)
    let mean = weights.reduce(0, +) / Float(max(1, weights.count))
    for i in 0..<result.rows {
      Kernels.scale(result.row(i), by: 1 / (weights[i] + 1e-3 * mean), count: result.columns)
    }
    return result
  }
}
