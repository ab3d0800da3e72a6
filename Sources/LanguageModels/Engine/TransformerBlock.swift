import LinearAlgebra

/// One decoder layer: attention, then the gated MLP, each added to the residual stream.
///
///     x ← x + N′(O·attention(N(x)))            context = softmax(s·Q·Kᵀ)·V, causal; sinks are further scores without values
///     x ← x + N″(D·(act(G·N(x)) ⊙ U·N(x)))
///
/// Each `N` is a root-mean-square norm, or nothing if the layer lacks that part. An MLP of experts is in `ExpertMLP.swift`.
///
/// This is the only text of the layer. Whole windows, single positions with a cache, and the forward part of the
/// backward pass go through it, and differ by their `BlockPass`. The factors of all products are in the precision of
/// the weights; the residual stream, norms, rotation, softmax and activation are in single precision always.
struct TransformerBlock: Sendable {
  let configuration: ModelConfiguration
  let weights: PackedLayer
  let kind: AttentionKind
  let rotary: RotaryEmbedding
  let shape: LayerShape
  /// The gains of the norms of queries and keys, of each head or of all together; empty for none.
  private let headGains: (query: [Float], key: [Float])

  /// - Parameter rotaries: those of all kinds of attention.
  init(configuration: ModelConfiguration, weights: PackedLayer, rotaries: [RotaryEmbedding]) {
    self.configuration = configuration
    self.weights = weights
    kind = configuration.block.attention[weights.attentionKind]
    rotary = rotaries[weights.attentionKind]
    shape = weights.shape(headDimension: configuration.headDimension)
    let wide = configuration.block.parts.contains(.allQueriesNorm)
    headGains = (
      weights[gain: wide ? .allQueriesNorm : .queryNorm], weights[gain: wide ? .allKeysNorm : .keyNorm]
    )
  }

  /// Runs the layer on `x` of shape `[tokens, hidden]`, in place.
  ///
  /// `tap` sees the inputs of the prunable projections while they are at hand; their memory is reused afterwards.
  func run(
    _ x: Matrix<Float>, _ pass: some BlockPass, _ workspace: Workspace, tap: (ActivationTap, Matrix<Float>) -> Void
  ) {
    if shape.kvHeads > 0 {
      let context = attentionContext(x, pass, workspace) { heads in
        if !weights[gain: .allQueriesNorm].isEmpty { tap(.queries, heads.query) }
        if !weights[gain: .allKeysNorm].isEmpty { tap(.keys, heads.key) }
      }
      tap(.attentionInput, workspace.normed.rows(0..<x.rows))
      add(.attention, of: context, to: x, pass, workspace, divided: { tap(.attentionFactors, $0) })
      tap(.attentionContext, context)
    }
    tap(.afterAttention, x)
    if let experts = weights.experts, shape.mlpChannels > 0 {
      addExperts(experts, to: x, workspace, tap: tap)
    } else if shape.mlpChannels > 0 {
      let hidden = mlpHidden(x, pass, workspace)
      tap(.mlpInput, workspace.normed.rows(0..<x.rows))
      add(.mlp, of: hidden, to: x, pass, workspace, divided: { tap(.mlpFactors, $0) })
      tap(.mlpHidden, hidden)
    }
    tap(.afterMLP, x)
  }

  /// `x += N(projection(activations))`, the projection by which a module adds to the stream, and its norm if it has one.
  ///
  /// With a norm, every row of `activations` is afterwards divided by the root mean square of its product: an error of
  /// the projection counts as much as it is long beside what the norm divides by.
  ///
  /// - Parameter divided: told what the rows were multiplied by, shape `[rows, 1]`, if there is a norm.
  private func add(
    _ module: LayerPart.Module, of activations: Matrix<Float>, to x: Matrix<Float>, _ pass: some BlockPass,
    _ workspace: Workspace, divided: (Matrix<Float>) -> Void
  ) {
    let gain = weights[gain: module.postNorm]
    if gain.isEmpty { return project(module.output, activations, into: x, accumulating: true, pass, workspace) }
    let output = workspace.output.rows(0..<x.rows)
    project(module.output, activations, into: output, accumulating: false, pass, workspace)
    let factors = workspace.factors.rows(0..<x.rows)
    configuration.addNormalised(output, gain: gain, to: x) { row, factor in
      Kernels.scale(activations.row(row), by: factor, count: activations.columns)
      factors[row, 0] = factor
    }
    divided(factors)
  }

  /// `y = projection(activations)`, or `y += …` when `accumulating`.
  func project(
    _ part: LayerPart, _ activations: Matrix<Float>, into y: Matrix<Float>, accumulating: Bool,
    _ pass: some BlockPass, _ workspace: Workspace
  ) {
    let (rows, projection) = (packed(activations, workspace), weights[part])
    pass.forEachShare(of: y.columns) { share in
      projection.apply(rows, into: y, outputs: share(y.columns), accumulating: accumulating)
    }
  }

  /// The concatenated head outputs for the residual stream `x`: the input of the output projection,
  /// shape `[tokens, queryHeads·D]`, in the workspace.
  ///
  /// - Parameter projected: a function that sees queries and keys before they are normalised and turned.
  func attentionContext(
    _ x: Matrix<Float>, _ pass: some BlockPass, _ workspace: Workspace,
    projected: (Workspace.Heads) -> Void = { _ in }
  ) -> Matrix<Float> {
    let rows = normed(x, .attentionNorm, workspace)
    let heads = workspace.heads(rows: x.rows, shape)
    let (weights, most) = (weights, max(heads.query.columns, heads.key.columns))
    pass.forEachShare(of: most) { share in
      weights[.query].apply(rows, into: heads.query, outputs: share(heads.query.columns))
      weights[.key].apply(rows, into: heads.key, outputs: share(heads.key.columns))
      weights[.value].apply(rows, into: heads.value, outputs: share(heads.value.columns))
    }
    projected(heads)
    pass.attend(heads, self, workspace)
    return heads.context
  }

  /// Brings the queries and keys of a row to where attention compares them: normalised, if the layer has such norms, and
  /// turned.
  func place(_ heads: Workspace.Heads, row: Int, at position: Int) {
    place(heads.query.row(row), headGains.query, heads: shape.queryHeads, at: position)
    place(heads.key.row(row), headGains.key, heads: shape.kvHeads, at: position)
  }

  private func place(_ x: UnsafeMutablePointer<Float>, _ gain: [Float], heads: Int, at position: Int) {
    if !gain.isEmpty {
      for first in stride(from: 0, to: heads * configuration.headDimension, by: gain.count) {
        Kernels.rmsNorm(x + first, gain: gain, epsilon: configuration.normEpsilon, into: x + first, count: gain.count)
      }
    }
    rotary.apply(to: x, heads: heads, position: position)
  }

  /// `act(G·N(x)) ⊙ U·N(x)`: the input of the down projection, shape `[tokens, mlpChannels]`, in the workspace.
  func mlpHidden(_ x: Matrix<Float>, _ pass: some BlockPass, _ workspace: Workspace) -> Matrix<Float> {
    let activation = configuration.block.activation
    return mlpFactors(x, pass, workspace) { gate, up, channels in
      if channels.count == gate.columns { return activation.multiply(gate.pointer, up.pointer, count: gate.count) }
      for i in 0..<gate.rows {
        activation.multiply(gate.row(i) + channels.lowerBound, up.row(i) + channels.lowerBound, count: channels.count)
      }
    }.gate
  }

  /// `G·N(x)` and `U·N(x)`, shape `[tokens, mlpChannels]`, in the workspace.
  ///
  /// - Parameter finish: a function that is called for each share with its channels.
  func mlpFactors(
    _ x: Matrix<Float>, _ pass: some BlockPass, _ workspace: Workspace,
    finish: @Sendable (_ gate: Matrix<Float>, _ up: Matrix<Float>, _ channels: Range<Int>) -> Void = { _, _, _ in }
  ) -> (gate: Matrix<Float>, up: Matrix<Float>) {
    let rows = normed(x, .mlpNorm, workspace)
    let weights = weights
    let gate = workspace.gate.reshaped(rows: x.rows, columns: weights[.gate].outputs)
    let up = workspace.up.reshaped(rows: x.rows, columns: weights[.up].outputs)
    pass.forEachShare(of: gate.columns) { share in
      let channels = share(gate.columns)
      weights[.gate].apply(rows, into: gate, outputs: channels)
      weights[.up].apply(rows, into: up, outputs: channels)
      finish(gate, up, channels)
    }
    return (gate, up)
  }

  /// The input of a module's projections: the normed stream, in the workspace plain and packed.
  private func normed(_ x: Matrix<Float>, _ norm: LayerPart, _ workspace: Workspace) -> PackedRows {
    let normed = workspace.normed.rows(0..<x.rows)
    configuration.normalise(x, gain: weights[gain: norm], into: normed)
    return packed(normed, workspace)
  }

  /// The inputs of projections, in the workspace until others are packed.
  private func packed(_ x: Matrix<Float>, _ workspace: Workspace) -> PackedRows {
    PackedRows(x, weights.precision, in: workspace.packedRows)
  }
}

extension ModelConfiguration {
  /// The factor of attention's scores.
  public var scoreScale: Float { block.scoreScale ?? 1 / Float(headDimension).squareRoot() }

  /// The root-mean-square norm of every row of `x`, which may be `y` itself; without gains there is none, and `y` is `x`.
  func normalise(_ x: Matrix<Float>, gain: [Float], into y: Matrix<Float>) {
    let hasGain = !gain.isEmpty
    gain.withUnsafeBufferPointer { gain in
      for i in 0..<x.rows {
        if let gain = gain.baseAddress, hasGain {
          Kernels.rmsNorm(x.row(i), gain: gain, epsilon: normEpsilon, into: y.row(i), count: x.columns)
        } else if x.row(i) != y.row(i) {
          y.row(i).update(from: x.row(i), count: x.columns)
        }
      }
    }
  }

  /// `y += N(x)`; the rows of `x` are overwritten by their norms.
  ///
  /// - Parameter divided: told each row, and what the norm multiplied it by before the gains.
  func addNormalised(
    _ x: Matrix<Float>, gain: [Float], to y: Matrix<Float>, divided: (_ row: Int, _ factor: Float) -> Void
  ) {
    for i in 0..<x.rows {
      let size = rootMeanSquare(x.row(i), count: x.columns)
      Kernels.rmsNorm(x.row(i), gain: gain, epsilon: normEpsilon, into: x.row(i), count: x.columns)
      Kernels.add(x.row(i), to: y.row(i), count: x.columns)
      divided(i, 1 / size)
    }
  }

  /// The number that a norm divides a row by.
  func rootMeanSquare(_ x: UnsafePointer<Float>, count: Int) -> Float {
    (Kernels.dot(x, x, count: count) / Float(count) + normEpsilon).squareRoot()
  }
}

extension Activation {
  /// `gate ← act(gate)·up`.
  public func multiply(_ gate: UnsafeMutablePointer<Float>, _ up: UnsafePointer<Float>, count: Int) {
    switch self {
    case .silu: Kernels.siluMultiply(gate, up, count: count)
    case .gelu: Kernels.geluMultiply(gate, up, count: count)
    case .clamped(let limit, let alpha):
      Kernels.clampedMultiply(gate, up, limit: limit, alpha: alpha, count: count)
    }
  }

  /// Takes `g`, `u` and `∂h` of `h = act(g)·u`, and leaves `∂g` in `gate`, `∂u` in `up`, `h` in `grad`.
  public func multiplyBackward(_ gate: Matrix<Float>, _ up: Matrix<Float>, grad: Matrix<Float>) {
    switch self {
    case .silu: Kernels.siluMultiplyBackward(gate: gate.pointer, up: up.pointer, grad: grad.pointer, count: grad.count)
    case .gelu: Kernels.geluMultiplyBackward(gate: gate.pointer, up: up.pointer, grad: grad.pointer, count: grad.count)
    case .clamped(let limit, let alpha):
      Kernels.clampedMultiplyBackward(
        gate: gate.pointer, up: up.pointer, grad: grad.pointer, limit: limit, alpha: alpha, count: grad.count)
    }
  }
}

/// Points of a decoder layer at which calibration looks.
public enum ActivationTap: Sendable {
  /// Normed input of the query, key and value projections, `[tokens, hidden]`.
  case attentionInput
  /// Queries before the norm over all heads, `[tokens, queryHeads·D]`; told only if there is one.
  case queries
  /// Keys before theirs, `[tokens, kvHeads·D]`, likewise.
  case keys
  /// Input of the attention's output projection, `[tokens, queryHeads·D]`. If a norm follows the projection, each token is
  /// divided by the root mean square that the norm divides by.
  case attentionContext
  /// The numbers by which the tokens of `attentionContext` were multiplied, `[tokens, 1]`: told before it, and only if a
  /// norm follows the projection.
  case attentionFactors
  /// Residual stream after the attention was added, `[tokens, hidden]`.
  case afterAttention
  /// Normed input of the gate and up projections, `[tokens, hidden]`.
  case mlpInput
  /// Input of the MLP's down projection, `[tokens, mlpChannels]`, divided likewise.
  case mlpHidden
  /// Those of `mlpHidden`, likewise.
  case mlpFactors
  /// The same of one expert: the tokens that use it, multiplied by its weights for them, `[uses, c]`. If the expert has a bias,
  /// the weights follow in a column of their own.
  case expertHidden(Int)
  /// What it adds to the residual stream for these tokens, `[uses, hidden]`.
  case expertOutput(Int)
  /// Residual stream after the MLP was added, `[tokens, hidden]`.
  case afterMLP
}
