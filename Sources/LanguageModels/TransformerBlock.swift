import LinearAlgebra
import Runtime

/// One decoder layer on whole windows: attention, then the gated MLP, each added to the residual stream.
///
///     x ← x + O·attention(rmsNorm(x))          context = softmax(Q·Kᵀ/√D)·V, causal
///     x ← x + D·(silu(G·rmsNorm(x)) ⊙ U·rmsNorm(x))
///
/// The factors of all products are in the precision of the weights; the residual stream, norms, rotation, softmax and
/// activation are in single precision always.
struct TransformerBlock {
  let configuration: ModelConfiguration
  let weights: PackedLayer
  let rotary: RotaryEmbedding

  /// Query rows handled at once: a multiple of the rows of a panel, few enough to waste little on what is masked.
  static let queryBlock = 48
  /// Keys of a panel.
  private static let keyPanel = 32

  private var shape: LayerShape { weights.shape(headDimension: configuration.headDimension) }

  /// Runs the layer on `x` of shape `[windows·length, hidden]`, in place.
  ///
  /// `tap` sees the inputs of the prunable projections while they are at hand; their memory is reused afterwards.
  func run(_ x: Matrix<Float>, length: Int, workspace: Workspace, tap: (ActivationTap, Matrix<Float>) -> Void) {
    let shape = shape
    if shape.kvHeads > 0 {
      let context = attentionContext(x, length: length, workspace: workspace)
      tap(.attentionInput, workspace.normed.rows(0..<x.rows))
      tap(.attentionContext, context)
      weights.output.apply(packed(context, workspace), into: x, accumulating: true)
    }
    tap(.afterAttention, x)
    if shape.mlpChannels > 0 {
      let hidden = mlpHidden(x, workspace: workspace)
      tap(.mlpInput, workspace.normed.rows(0..<x.rows))
      tap(.mlpHidden, hidden)
      weights.down.apply(packed(hidden, workspace), into: x, accumulating: true)
    }
    tap(.afterMLP, x)
  }

  /// The inputs of projections, in the workspace until others are packed.
  func packed(_ x: Matrix<Float>, _ workspace: Workspace) -> PackedRows {
    PackedRows(x, weights.precision, in: workspace.packedRows)
  }

  /// The concatenated head outputs for the residual stream `x`: the input of the output projection,
  /// shape `[tokens, queryHeads·D]`, in the workspace.
  func attentionContext(_ x: Matrix<Float>, length: Int, workspace: Workspace) -> Matrix<Float> {
    let normed = workspace.normed.rows(0..<x.rows)
    configuration.normalise(x, gain: weights.attentionNorm, into: normed)
    return attention(packed(normed, workspace), length: length, workspace: workspace)
  }

  /// `silu(G·rmsNorm(x)) ⊙ U·rmsNorm(x)`: the input of the down projection, shape `[tokens, mlpChannels]`, in the
  /// workspace.
  func mlpHidden(_ x: Matrix<Float>, workspace: Workspace) -> Matrix<Float> {
    let (gate, up) = mlpFactors(x, workspace: workspace)
    Kernels.siluMultiply(gate.pointer, up.pointer, count: gate.count)
    return gate
  }

  /// `G·rmsNorm(x)` and `U·rmsNorm(x)`, shape `[tokens, mlpChannels]`, in the workspace.
  func mlpFactors(_ x: Matrix<Float>, workspace: Workspace) -> (gate: Matrix<Float>, up: Matrix<Float>) {
    let normed = workspace.normed.rows(0..<x.rows)
    configuration.normalise(x, gain: weights.mlpNorm, into: normed)
    let rows = packed(normed, workspace)
    let gate = workspace.gate.reshaped(rows: x.rows, columns: weights.gate.outputs)
    let up = workspace.up.reshaped(rows: x.rows, columns: weights.up.outputs)
    weights.gate.apply(rows, into: gate)
    weights.up.apply(rows, into: up)
    return (gate, up)
  }

  private func attention(_ x: PackedRows, length: Int, workspace: Workspace) -> Matrix<Float> {
    let (shape, dimension) = (shape, configuration.headDimension)
    let (query, key, value, context) = workspace.attention(rows: x.rows, shape, headDimension: dimension)
    weights.query.apply(x, into: query)
    weights.key.apply(x, into: key)
    weights.value.apply(x, into: value)
    rotary.apply(to: query, heads: shape.queryHeads, length: length)
    rotary.apply(to: key, heads: shape.kvHeads, length: length)
    let precision = weights.precision
    Threads.forEach(x.rows / length * shape.kvHeads, workers: workspace.attention.count) { task, worker in
      let (start, group) = (task / shape.kvHeads * length, task % shape.kvHeads)
      let (window, scratch) = (start..<start + length, workspace.attention[worker])
      let columns = group * dimension..<(group + 1) * dimension
      // Packed once for all query heads of the group.
      let keys = PackedWeight(key.rows(window).columns(columns), precision, in: scratch.keys)
      let values = PackedWeight(transposeOf: value.rows(window).columns(columns), precision, in: scratch.values)
      for head in group * shape.queriesPerGroup..<(group + 1) * shape.queriesPerGroup {
        let columns = head * dimension..<(head + 1) * dimension
        attend(
          query: query.rows(window).columns(columns), keys, values, scratch,
          into: context.rows(window).columns(columns))
      }
    }
    return context
  }

  /// Causal attention of one head over one window; `query` and `context` are `[length, D]`.
  private func attend(
    query: Matrix<Float>, _ keys: PackedWeight, _ values: PackedWeight, _ scratch: AttentionScratch,
    into context: Matrix<Float>
  ) {
    let scale = 1 / Float(configuration.headDimension).squareRoot()
    func packed(_ x: Matrix<Float>, scale: Float = 1) -> PackedRows {
      PackedRows(x, weights.precision, scale: scale, in: scratch.packedScores)
    }
    for start in stride(from: 0, to: query.rows, by: Self.queryBlock) {
      let end = min(start + Self.queryBlock, query.rows)
      // The keys that the first row sees begin in this panel.
      let first = configuration.slidingWindow.map { max(0, start - $0 + 1) / Self.keyPanel * Self.keyPanel } ?? 0
      let block = scratch.scores.reshaped(rows: end - start, columns: end - first)
      multiply(packed(query.rows(start..<end), scale: scale), keys, outputs: first..<end, into: block)
      for i in start..<end {
        let row = block.row(i - start)
        let from = configuration.slidingWindow.map { max(first, i - $0 + 1) } ?? first
        row.update(repeating: 0, count: from - first)
        Kernels.softmax(row + (from - first), count: i - from + 1)
        (row + (i - first + 1)).update(repeating: 0, count: end - i - 1)
      }
      multiply(packed(block), values, inputs: first..<end, into: context.rows(start..<end))
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
  /// The inputs of projections.
  let packedRows: PackedBuffer
  /// One for each worker that shares the heads.
  let attention: [AttentionScratch]

  /// - Parameter workers: those that share a chunk, at most.
  init(_ configuration: ModelConfiguration, rows: Int, length: Int, workers: Int = 1) {
    let (queries, keys, channels) = configuration.widest
    normed = Matrix(rows: rows, columns: configuration.hiddenSize)
    query = Matrix(rows: rows, columns: queries)
    key = Matrix(rows: rows, columns: keys)
    value = Matrix(rows: rows, columns: keys)
    context = Matrix(rows: rows, columns: queries)
    gate = Matrix(rows: rows, columns: channels)
    up = Matrix(rows: rows, columns: channels)
    packedRows = PackedBuffer(rows: rows, columns: max(configuration.hiddenSize, queries, channels))
    attention = (0..<workers).map { _ in AttentionScratch(length: length, dimension: configuration.headDimension) }
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

/// Memory for the attention of one head over one window.
struct AttentionScratch: Sendable {
  let keys: PackedBuffer
  let values: PackedBuffer
  let scores: Matrix<Float>
  /// A block of queries, then of their scores.
  let packedScores: PackedBuffer

  init(length: Int, dimension: Int) {
    let block = min(length, TransformerBlock.queryBlock)
    keys = PackedBuffer(outputs: length, inputs: dimension)
    values = PackedBuffer(outputs: dimension, inputs: length)
    scores = Matrix(rows: block, columns: length)
    packedScores = PackedBuffer(rows: block, columns: max(length, dimension))
  }
}
