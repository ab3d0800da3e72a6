import LinearAlgebra

/// Memory that one worker reuses for every layer and chunk.
final class Workspace: @unchecked Sendable {
  let normed: Matrix<Float>
  let query: Matrix<Float>
  let key: Matrix<Float>
  let value: Matrix<Float>
  let context: Matrix<Float>
  let gate: Matrix<Float>
  let up: Matrix<Float>
  /// For an MLP of experts, which needs no `gate` and no `up`.
  let experts: ExpertScratch?
  /// What a module adds to the stream, if a norm stands before.
  let output: Matrix<Float>
  /// What the inputs of such a module's projection were multiplied by, one number a row.
  let factors: Matrix<Float>
  /// The inputs of projections.
  let packedRows: PackedBuffer
  private let headDimension: Int
  /// One for each worker that shares the heads.
  let attention: [AttentionScratch]

  /// - Parameter workers: those that share a chunk, at most.
  init(_ configuration: ModelConfiguration, rows: Int, length: Int, workers: Int = 1) {
    let (widest, dimension) = (configuration.widest, configuration.headDimension)
    let (queries, keys) = (widest.queryHeads * dimension, widest.kvHeads * dimension)
    experts = configuration.block.experts.map {
      ExpertScratch(
        $0, activations: configuration.activationsPerUnit, rows: rows, hidden: configuration.hiddenSize)
    }
    let channels = experts == nil ? widest.mlpChannels : 0
    headDimension = dimension
    normed = Matrix(rows: rows, columns: configuration.hiddenSize)
    query = Matrix(rows: rows, columns: queries)
    key = Matrix(rows: rows, columns: keys)
    value = Matrix(rows: rows, columns: keys)
    context = Matrix(rows: rows, columns: queries)
    gate = Matrix(rows: rows, columns: channels)
    up = Matrix(rows: rows, columns: channels)
    let hasPostNorms = LayerPart.Module.allCases.contains { configuration.block.parts.contains($0.postNorm) }
    output = Matrix(rows: hasPostNorms ? rows : 0, columns: configuration.hiddenSize)
    factors = Matrix(rows: output.rows, columns: 1)
    packedRows = PackedBuffer(rows: rows, columns: max(configuration.hiddenSize, queries, channels))
    attention = (0..<workers).map { _ in AttentionScratch(length: length, dimension: configuration.headDimension) }
  }

  /// Queries, keys, values and head outputs of a layer, shape `[rows, heads·D]`.
  struct Heads: Sendable {
    let query: Matrix<Float>
    let key: Matrix<Float>
    let value: Matrix<Float>
    let context: Matrix<Float>
  }

  func heads(rows: Int, _ shape: LayerShape) -> Heads {
    let (queries, keys) = (shape.queryHeads * headDimension, shape.kvHeads * headDimension)
    return Heads(
      query: query.reshaped(rows: rows, columns: queries), key: key.reshaped(rows: rows, columns: keys),
      value: value.reshaped(rows: rows, columns: keys), context: context.reshaped(rows: rows, columns: queries))
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
    let block = min(length, WindowPass.queryBlock)
    keys = PackedBuffer(outputs: length, inputs: dimension)
    values = PackedBuffer(outputs: dimension, inputs: length)
    scores = Matrix(rows: block, columns: length)
    packedScores = PackedBuffer(rows: block, columns: max(length, dimension))
  }
}
