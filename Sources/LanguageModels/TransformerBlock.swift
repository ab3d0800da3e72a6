import LinearAlgebra

/// One decoder layer on whole windows: attention, then the gated MLP, each added to the residual stream.
///
///     x ← x + O·attention(rmsNorm(x))          context = softmax(Q·Kᵀ/√D)·V, causal
///     x ← x + D·(silu(G·rmsNorm(x)) ⊙ U·rmsNorm(x))
struct TransformerBlock {
  let configuration: ModelConfiguration
  let shape: LayerShape
  let weights: LayerWeights
  let rotary: RotaryEmbedding

  /// Query rows handled at once; the keys a block cannot see are never multiplied.
  private static let queryBlock = 128

  /// Runs the layer on `x` of shape `[windows·length, hidden]`, in place.
  ///
  /// `tap` sees the inputs of the prunable projections while they are at hand; their memory is reused afterwards.
  func run(_ x: Matrix<Float>, length: Int, workspace: Workspace, tap: (ActivationTap, Matrix<Float>) -> Void) {
    if shape.kvHeads > 0 {
      let context = attentionContext(x, length: length, workspace: workspace)
      tap(.attentionInput, workspace.normed.rows(0..<x.rows))
      tap(.attentionContext, context)
      weights.output.apply(context, into: x, accumulating: true)
    }
    tap(.afterAttention, x)
    if shape.mlpChannels > 0 {
      let hidden = mlpHidden(x, workspace: workspace)
      tap(.mlpInput, workspace.normed.rows(0..<x.rows))
      tap(.mlpHidden, hidden)
      weights.down.apply(hidden, into: x, accumulating: true)
    }
    tap(.afterMLP, x)
  }

  /// The concatenated head outputs for the residual stream `x`: the input of the output projection,
  /// shape `[tokens, queryHeads·D]`, in the workspace.
  func attentionContext(_ x: Matrix<Float>, length: Int, workspace: Workspace) -> Matrix<Float> {
    let normed = workspace.normed.rows(0..<x.rows)
    configuration.normalise(x, gain: weights.attentionNorm, into: normed)
    return attention(normed, length: length, workspace: workspace)
  }

  /// `silu(G·rmsNorm(x)) ⊙ U·rmsNorm(x)`: the input of the down projection, shape `[tokens, mlpChannels]`, in the
  /// workspace.
  func mlpHidden(_ x: Matrix<Float>, workspace: Workspace) -> Matrix<Float> {
    let normed = workspace.normed.rows(0..<x.rows)
    configuration.normalise(x, gain: weights.mlpNorm, into: normed)
    let gate = workspace.gate.reshaped(rows: x.rows, columns: shape.mlpChannels)
    let up = workspace.up.reshaped(rows: x.rows, columns: shape.mlpChannels)
    weights.gate.apply(normed, into: gate)
    weights.up.apply(normed, into: up)
    Kernels.siluMultiply(gate.pointer, up.pointer, count: gate.count)
    return gate
  }

  private func attention(_ x: Matrix<Float>, length: Int, workspace: Workspace) -> Matrix<Float> {
    let dimension = configuration.headDimension
    let (query, key, value, context) = workspace.attention(rows: x.rows, shape, headDimension: dimension)
    weights.query.apply(x, into: query)
    weights.key.apply(x, into: key)
    weights.value.apply(x, into: value)
    rotary.apply(to: query, heads: shape.queryHeads, length: length)
    rotary.apply(to: key, heads: shape.kvHeads, length: length)
    for start in stride(from: 0, to: x.rows, by: length) {
      let window = start..<start + length
      for head in 0..<shape.queryHeads {
        let group = head / shape.queriesPerGroup
        let columns = head * dimension..<(head + 1) * dimension
        let groupColumns = group * dimension..<(group + 1) * dimension
        attend(
          query: query.rows(window).columns(columns), key: key.rows(window).columns(groupColumns),
          value: value.rows(window).columns(groupColumns), scores: workspace.scores,
          into: context.rows(window).columns(columns))
      }
    }
    return context
  }

  /// Causal attention of one head over one window; every matrix is `[length, D]`.
  private func attend(
    query: Matrix<Float>, key: Matrix<Float>, value: Matrix<Float>, scores: Matrix<Float>, into context: Matrix<Float>
  ) {
    let scale = 1 / Float(configuration.headDimension).squareRoot()
    for start in stride(from: 0, to: query.rows, by: Self.queryBlock) {
      let end = min(start + Self.queryBlock, query.rows)
      let first = configuration.slidingWindow.map { max(0, start - $0 + 1) } ?? 0
      let block = scores.reshaped(rows: end - start, columns: end - first)
      multiply(
        query.rows(start..<end), key.rows(first..<end), transposingB: true, scale: scale, into: block)
      for i in start..<end {
        let row = block.row(i - start)
        let from = configuration.slidingWindow.map { max(first, i - $0 + 1) } ?? first
        (row).update(repeating: 0, count: from - first)
        Kernels.softmax(row + (from - first), count: i - from + 1)
        (row + (i - first + 1)).update(repeating: 0, count: end - i - 1)
      }
      multiply(block, value.rows(first..<end), into: context.rows(start..<end))
    }
  }
}

extension ModelConfiguration {
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

/// Memory that one worker reuses for every layer and chunk.
final class Workspace: @unchecked Sendable {
  let normed: Matrix<Float>
  let query: Matrix<Float>
  let key: Matrix<Float>
  let value: Matrix<Float>
  let context: Matrix<Float>
  let gate: Matrix<Float>
  let up: Matrix<Float>
  let scores: Matrix<Float>

  init(_ configuration: ModelConfiguration, rows: Int, length: Int) {
    let queries = (configuration.layers.map(\.queryHeads).max() ?? 0) * configuration.headDimension
    let keys = (configuration.layers.map(\.kvHeads).max() ?? 0) * configuration.headDimension
    let channels = configuration.layers.map(\.mlpChannels).max() ?? 0
    normed = Matrix(rows: rows, columns: configuration.hiddenSize)
    query = Matrix(rows: rows, columns: queries)
    key = Matrix(rows: rows, columns: keys)
    value = Matrix(rows: rows, columns: keys)
    context = Matrix(rows: rows, columns: queries)
    gate = Matrix(rows: rows, columns: channels)
    up = Matrix(rows: rows, columns: channels)
    scores = Matrix(rows: min(length, 128), columns: length)
  }

  /// Queries, keys, values and head outputs of a layer, shape `[rows, heads·D]`.
  func attention(
    rows: Int, _ shape: LayerShape, headDimension: Int
  ) -> (query: Matrix<Float>, key: Matrix<Float>, value: Matrix<Float>, context: Matrix<Float>) {
    let (queries, keys) = (shape.queryHeads * headDimension, shape.kvHeads * headDimension)
    return (
      query.reshaped(rows: rows, columns: queries), key.reshaped(rows: rows, columns: keys),
      value.reshaped(rows: rows, columns: keys), context.reshaped(rows: rows, columns: queries)
    )
  }
}
