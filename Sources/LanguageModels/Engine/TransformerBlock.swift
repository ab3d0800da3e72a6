import LinearAlgebra

/// One decoder layer: attention, then the gated MLP, each added to the residual stream.
///
///     x ← x + O·attention(rmsNorm(x))          context = softmax(s·Q·Kᵀ)·V, causal
///     x ← x + D·(silu(G·rmsNorm(x)) ⊙ U·rmsNorm(x))
///
/// This is the only text of the layer. Whole windows, single positions with a cache, and the forward part of the
/// backward pass go through it, and differ by their `BlockPass`. The factors of all products are in the precision of
/// the weights; the residual stream, norms, rotation, softmax and activation are in single precision always.
struct TransformerBlock: Sendable {
  let configuration: ModelConfiguration
  let weights: PackedLayer
  let rotary: RotaryEmbedding
  let shape: LayerShape
  private let normalisesHeads: Bool

  init(configuration: ModelConfiguration, weights: PackedLayer, rotary: RotaryEmbedding) {
    self.configuration = configuration
    self.weights = weights
    self.rotary = rotary
    shape = weights.shape(headDimension: configuration.headDimension)
    normalisesHeads = configuration.block.normalisesHeads
  }

  /// Runs the layer on `x` of shape `[tokens, hidden]`, in place.
  ///
  /// `tap` sees the inputs of the prunable projections while they are at hand; their memory is reused afterwards.
  func run(
    _ x: Matrix<Float>, _ pass: some BlockPass, _ workspace: Workspace, tap: (ActivationTap, Matrix<Float>) -> Void
  ) {
    if shape.kvHeads > 0 {
      let context = attentionContext(x, pass, workspace)
      tap(.attentionInput, workspace.normed.rows(0..<x.rows))
      tap(.attentionContext, context)
      add(weights[.output], of: context, to: x, pass, workspace)
    }
    tap(.afterAttention, x)
    if shape.mlpChannels > 0 {
      let hidden = mlpHidden(x, pass, workspace)
      tap(.mlpInput, workspace.normed.rows(0..<x.rows))
      tap(.mlpHidden, hidden)
      add(weights[.down], of: hidden, to: x, pass, workspace)
    }
    tap(.afterMLP, x)
  }

  /// `x += projection(activations)`
  func add(
    _ projection: PackedLinear, of activations: Matrix<Float>, to x: Matrix<Float>, _ pass: some BlockPass,
    _ workspace: Workspace
  ) {
    let rows = packed(activations, workspace)
    pass.forEachShare(of: x.columns) { share in
      projection.apply(rows, into: x, outputs: share(x.columns), accumulating: true)
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

  /// Brings the queries and keys of a row to where attention compares them: normalised head by head, if the description
  /// says so, and turned.
  func place(_ heads: Workspace.Heads, row: Int, at position: Int) {
    place(heads.query.row(row), .queryNorm, heads: shape.queryHeads, at: position)
    place(heads.key.row(row), .keyNorm, heads: shape.kvHeads, at: position)
  }

  private func place(_ x: UnsafeMutablePointer<Float>, _ norm: LayerPart, heads: Int, at position: Int) {
    if normalisesHeads {
      let (dimension, epsilon) = (configuration.headDimension, configuration.normEpsilon)
      weights[gain: norm].withUnsafeBufferPointer { gain in
        guard let gain = gain.baseAddress else { return }
        for head in 0..<heads {
          let x = x + head * dimension
          Kernels.rmsNorm(x, gain: gain, epsilon: epsilon, into: x, count: dimension)
        }
      }
    }
    rotary.apply(to: x, heads: heads, position: position)
  }

  /// `silu(G·rmsNorm(x)) ⊙ U·rmsNorm(x)`: the input of the down projection, shape `[tokens, mlpChannels]`, in the
  /// workspace.
  func mlpHidden(_ x: Matrix<Float>, _ pass: some BlockPass, _ workspace: Workspace) -> Matrix<Float> {
    mlpFactors(x, pass, workspace) { gate, up, channels in
      if channels.count == gate.columns { return Kernels.siluMultiply(gate.pointer, up.pointer, count: gate.count) }
      for i in 0..<gate.rows {
        Kernels.siluMultiply(
          gate.row(i) + channels.lowerBound, up.row(i) + channels.lowerBound, count: channels.count)
      }
    }.gate
  }

  /// `G·rmsNorm(x)` and `U·rmsNorm(x)`, shape `[tokens, mlpChannels]`, in the workspace.
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
  /// The factor of attention's scores: `1/√D`.
  var scoreScale: Float { 1 / Float(headDimension).squareRoot() }

  /// The first position that a position sees.
  func firstSeen(from position: Int) -> Int { block.window.map { max(0, position - $0 + 1) } ?? 0 }

  /// The root-mean-square norm of every row of `x`, which may be `y` itself.
  func normalise(_ x: Matrix<Float>, gain: [Float], into y: Matrix<Float>) {
    gain.withUnsafeBufferPointer { gain in
      guard let gain = gain.baseAddress else { return }
      for i in 0..<x.rows {
        Kernels.rmsNorm(x.row(i), gain: gain, epsilon: normEpsilon, into: y.row(i), count: x.columns)
      }
    }
  }
}

/// Points of a decoder layer at which calibration looks.
public enum ActivationTap: Sendable {
  /// Normed input of the query, key and value projections, `[tokens, hidden]`.
  case attentionInput
  /// Input of the attention's output projection, `[tokens, queryHeads·D]`.
  case attentionContext
  /// Residual stream after the attention was added, `[tokens, hidden]`.
  case afterAttention
  /// Normed input of the gate and up projections, `[tokens, hidden]`.
  case mlpInput
  /// Input of the MLP's down projection, `[tokens, mlpChannels]`.
  case mlpHidden
  /// Residual stream after the MLP was added, `[tokens, hidden]`.
  case afterMLP
}
