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
/// how many steps to stop, which damps directions that the calibration barely knows (Steihaug 1983), and which share of
/// the change to take: what is noise in it grows with the share squared, what is true only with the share.
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
    /// Steps of conjugate gradients, at most. Each costs two forward passes of the MLP.
    var steps = 6
    /// λ of `E[x xᵀ]` in the preconditioner, as a share of its mean diagonal.
    var damping = 0.01
    /// The least gain of a step that is worth another, as a share of the error before all.
    var leastGain = 0.002
    /// The largest share of a change that is tried.
    var longest = 1.5
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
    let kept = try fit.gatedTokens(layer, tokens)
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
      guard let found = solution(gate, up, down, preconditioner, from: best) else { break }
      (gate.weight, up.weight, best) = found
      if best > (1 - plan.worthwhile) * before { break }
    }
    return best / start
  }

  /// The best state on the way of one solution; `nil` if none is better than the start.
  private func solution(
    _ gate: Linear, _ up: Linear, _ down: Matrix<Float>, _ preconditioner: Preconditioner, from start: Double
  ) -> State? {
    let system = LinearisedMLP(self, gate, up, down)
    let change = Matrix<Float>(rows: 2 * gate.outputs, columns: gate.inputs)
    let rest = system.gradient
    var direction = preconditioner.apply(rest, system.weights)
    var product = Self.inner(rest, direction)
    var best: State?
    for _ in 0..<plan.steps where product > 0 && product.isFinite {
      let (image, length) = system.multiply(direction)
      guard length > 0, length.isFinite else { break }
      let step = Float(product / length)
      Kernels.addScaled(direction.pointer, step, to: change.pointer, count: change.count)
      Kernels.addScaled(image.pointer, -step, to: rest.pointer, count: rest.count)
      let found = share(of: change, gate, up, down, from: start)
      let gain = (best?.error ?? start) - found.error
      if gain > 0 { best = found }
      if gain <= plan.leastGain * start { break }
      let next = preconditioner.apply(rest, system.weights)
      let nextProduct = Self.inner(rest, next)
      Kernels.addScaled(direction.pointer, Float(nextProduct / product), to: next.pointer, count: next.count)
      (direction, product) = (next, nextProduct)
    }
    return best
  }

  private typealias State = (gate: Matrix<Float>, up: Matrix<Float>, error: Double)

  /// The share of a change that serves the held-out tokens best: the lowest point of the parabola through the errors of
  /// none, half and all of it.
  private func share(
    of change: Matrix<Float>, _ gate: Linear, _ up: Linear, _ down: Matrix<Float>, from start: Double
  ) -> State {
    func moved(by share: Double) -> State {
      func moved(_ linear: Linear, _ rows: Range<Int>) -> Linear {
        let weight = linear.weight.copy()
        for i in 0..<weight.rows {
          Kernels.addScaled(
            change.row(rows.lowerBound + i), Float(share), to: weight.row(i), count: weight.columns)
        }
        return Linear(weight: weight, bias: linear.bias)
      }
      let made = (moved(gate, 0..<gate.outputs), moved(up, gate.outputs..<2 * gate.outputs))
      return (made.0.weight, made.1.weight, error(made.0, made.1, down))
    }
    let (half, whole) = (moved(by: 0.5), moved(by: 1))
    let best = half.error < whole.error ? half : whole
    guard
      let lowest = Parabola.lowest(start, half.error, whole.error), lowest <= plan.longest
    else { return best }
    let found = moved(by: lowest)
    return found.error < best.error ? found : best
  }

  static func inner(_ a: Matrix<Float>, _ b: Matrix<Float>) -> Double {
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

  static func forEachBlock(_ count: Int, _ body: (Range<Int>) -> Void) {
    for start in stride(from: 0, to: count, by: block) { body(start..<min(start + block, count)) }
  }

  static func factors(
    _ x: Matrix<Float>, _ gate: Linear, _ up: Linear
  ) -> (gate: Matrix<Float>, up: Matrix<Float>) {
    let g = Matrix<Float>(uninitialized: x.rows, columns: gate.outputs)
    let u = Matrix<Float>(uninitialized: x.rows, columns: gate.outputs)
    gate.apply(x, into: g)
    up.apply(x, into: u)
    return (g, u)
  }

  /// `s·(y − D h)`.
  static func rest(
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
