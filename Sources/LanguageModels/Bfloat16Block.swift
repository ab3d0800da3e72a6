import LinearAlgebra

/// The weights of a decoder layer, with matrices in bfloat16.
///
/// Norms and biases stay in single precision.
public struct Bfloat16Layer: Sendable {
  /// A linear map `y = W·x + b`.
  struct Projection: Sendable {
    let weight: Bfloat16Weight
    let bias: [Float]?

    init(_ linear: Linear) {
      weight = Bfloat16Weight(linear.weight)
      bias = linear.bias
    }

    /// `Y = X·Wᵀ + b`, or `Y += …` when `accumulating`.
    func apply(_ x: Bfloat16Rows, into y: Matrix<Float>, accumulating: Bool = false) {
      multiply(x, weight, accumulating: accumulating, into: y)
      guard let bias else { return }
      bias.withUnsafeBufferPointer { bias in
        guard let bias = bias.baseAddress else { return }
        for i in 0..<y.rows { Kernels.add(bias, to: y.row(i), count: y.columns) }
      }
    }
  }

  let attentionNorm: [Float]
  let query: Projection
  let key: Projection
  let value: Projection
  let output: Projection
  let mlpNorm: [Float]
  let gate: Projection
  let up: Projection
  let down: Projection

  public init(_ weights: LayerWeights) {
    attentionNorm = weights.attentionNorm
    query = Projection(weights.query)
    key = Projection(weights.key)
    value = Projection(weights.value)
    output = Projection(weights.output)
    mlpNorm = weights.mlpNorm
    gate = Projection(weights.gate)
    up = Projection(weights.up)
    down = Projection(weights.down)
  }

  /// The widths that the matrices have.
  func shape(headDimension: Int) -> LayerShape {
    LayerShape(
      queryHeads: query.weight.outputs / headDimension, kvHeads: key.weight.outputs / headDimension,
      mlpChannels: gate.weight.outputs)
  }
}

/// What `TransformerBlock` computes, with the factors of all products rounded to bfloat16.
///
/// The residual stream, norms, rotation, softmax and activation stay in single precision.
struct Bfloat16Block {
  let configuration: ModelConfiguration
  let shape: LayerShape
  let weights: Bfloat16Layer
  let rotary: RotaryEmbedding

  /// Query rows handled at once: a multiple of the rows of a panel, few enough to waste little on what is masked.
  static let queryBlock = 48
  /// Keys of a panel.
  private static let keyPanel = 32

  /// Runs the layer on `x` of shape `[windows·length, hidden]`, in place.
  func run(_ x: Matrix<Float>, length: Int, workspace: Workspace, packed: Bfloat16Workspace) {
    let normed = workspace.normed.rows(0..<x.rows)
    if shape.kvHeads > 0 {
      configuration.normalise(x, gain: weights.attentionNorm, into: normed)
      let context = attention(
        Bfloat16Rows(normed, in: packed.rows), length: length, workspace: workspace, packed: packed)
      weights.output.apply(Bfloat16Rows(context, in: packed.rows), into: x, accumulating: true)
    }
    if shape.mlpChannels > 0 {
      configuration.normalise(x, gain: weights.mlpNorm, into: normed)
      let rows = Bfloat16Rows(normed, in: packed.rows)
      let gate = workspace.gate.reshaped(rows: x.rows, columns: shape.mlpChannels)
      let up = workspace.up.reshaped(rows: x.rows, columns: shape.mlpChannels)
      weights.gate.apply(rows, into: gate)
      weights.up.apply(rows, into: up)
      Kernels.siluMultiply(gate.pointer, up.pointer, count: gate.count)
      weights.down.apply(Bfloat16Rows(gate, in: packed.rows), into: x, accumulating: true)
    }
  }

  /// The concatenated head outputs, shape `[tokens, queryHeads·D]`, in the workspace.
  private func attention(
    _ x: Bfloat16Rows, length: Int, workspace: Workspace, packed: Bfloat16Workspace
  ) -> Matrix<Float> {
    let dimension = configuration.headDimension
    let (query, key, value, context) = workspace.attention(rows: x.rows, shape, headDimension: dimension)
    weights.query.apply(x, into: query)
    weights.key.apply(x, into: key)
    weights.value.apply(x, into: value)
    rotary.apply(to: query, heads: shape.queryHeads, length: length)
    rotary.apply(to: key, heads: shape.kvHeads, length: length)
    for start in stride(from: 0, to: x.rows, by: length) {
      let window = start..<start + length
      for group in 0..<shape.kvHeads {
        let columns = group * dimension..<(group + 1) * dimension
        // Packed once for all query heads of the group.
        let keys = Bfloat16Weight(key.rows(window).columns(columns), in: packed.keys)
        let values = Bfloat16Weight(transposeOf: value.rows(window).columns(columns), in: packed.values)
        for head in group * shape.queriesPerGroup..<(group + 1) * shape.queriesPerGroup {
          let columns = head * dimension..<(head + 1) * dimension
          attend(
            query: query.rows(window).columns(columns), keys, values, workspace: workspace, packed: packed,
            into: context.rows(window).columns(columns))
        }
      }
    }
    return context
  }

  /// Causal attention of one head over one window; `query` and `context` are `[length, D]`.
  private func attend(
    query: Matrix<Float>, _ keys: Bfloat16Weight, _ values: Bfloat16Weight, workspace: Workspace,
    packed: Bfloat16Workspace, into context: Matrix<Float>
  ) {
    let scale = 1 / Float(configuration.headDimension).squareRoot()
    for start in stride(from: 0, to: query.rows, by: Self.queryBlock) {
      let end = min(start + Self.queryBlock, query.rows)
      // The keys that the first row sees begin in this panel.
      let first = configuration.slidingWindow.map { max(0, start - $0 + 1) / Self.keyPanel * Self.keyPanel } ?? 0
      let block = workspace.scores.reshaped(rows: end - start, columns: end - first)
      multiply(
        Bfloat16Rows(query.rows(start..<end), scale: scale, in: packed.scores), keys, outputs: first..<end, into: block)
      for i in start..<end {
        let row = block.row(i - start)
        let from = configuration.slidingWindow.map { max(first, i - $0 + 1) } ?? first
        row.update(repeating: 0, count: from - first)
        Kernels.softmax(row + (from - first), count: i - from + 1)
        (row + (i - first + 1)).update(repeating: 0, count: end - i - 1)
      }
      multiply(Bfloat16Rows(block, in: packed.scores), values, inputs: first..<end, into: context.rows(start..<end))
    }
  }
}

/// Memory for packed operands that one worker reuses for every layer and chunk.
final class Bfloat16Workspace: Sendable {
  let rows: Bfloat16Buffer
  let keys: Bfloat16Buffer
  let values: Bfloat16Buffer
  /// A block of queries, then of their scores.
  let scores: Bfloat16Buffer

  init(_ configuration: ModelConfiguration, rows: Int, length: Int) {
    let dimension = configuration.headDimension
    let widest = configuration.layers.map { max($0.queryHeads * dimension, $0.mlpChannels) }.max() ?? 0
    self.rows = Bfloat16Buffer(rows: rows, columns: max(widest, configuration.hiddenSize))
    keys = Bfloat16Buffer(outputs: length, inputs: dimension)
    values = Bfloat16Buffer(outputs: dimension, inputs: length)
    scores = Bfloat16Buffer(rows: min(length, Bfloat16Block.queryBlock), columns: max(length, dimension))
  }
}
