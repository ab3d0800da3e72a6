import LinearAlgebra
import Runtime

/// Runs a network over token windows, layer by layer.
///
/// The windows are cut into chunks of about five hundred tokens; within a layer, chunks are spread over the workers.
/// Weights of a layer are asked for once, so a network larger than memory streams through.
public struct ForwardPass: Sendable {
  /// Sees activations of a chunk. Chunks of one lane arrive one after another in order, lanes arrive concurrently, so an
  /// observer that keeps one accumulator per lane needs no lock and gives the same sums on any number of cores.
  public typealias Observer =
    @Sendable (_ layer: Int, _ tap: ActivationTap, _ activations: Matrix<Float>, _ lane: Int) -> Void

  /// Lanes that an observer must be ready for.
  public static let lanes = 4

  fileprivate static let chunkTokens = 512

  private let windows: TokenWindows
  private let chunks: [Range<Int>]

  /// Windows that run as one chunk.
  public static func windowsPerChunk(length: Int) -> Int { max(1, chunkTokens / length) }

  public init(_ windows: TokenWindows) {
    self.windows = windows
    let perChunk = Self.windowsPerChunk(length: windows.length)
    chunks = stride(from: 0, to: windows.count, by: perChunk).map { start in
      start * windows.length..<min(start + perChunk, windows.count) * windows.length
    }
  }

  /// The embedded tokens, shape `[tokens, hidden]`.
  ///
  /// - Throws: `ModelError.tokenOutOfRange` for an id that the embedding has no row for.
  public func embed(_ network: some Network) throws -> Matrix<Float> { try Self.embed(windows.tokens, network) }

  static func embed(_ tokens: [Int32], _ network: some Network) throws -> Matrix<Float> {
    let embedding = network.embedding
    let hidden = Matrix<Float>(rows: tokens.count, columns: embedding.columns)
    for (i, token) in tokens.enumerated() {
      guard token >= 0, token < embedding.rows else {
        throw ModelError.tokenOutOfRange(token: Int(token), vocabulary: embedding.rows)
      }
      hidden.row(i).update(from: embedding.row(Int(token)), count: embedding.columns)
    }
    let scale = network.configuration.embeddingScale
    if scale != 1 { Kernels.scale(hidden.pointer, by: scale, count: hidden.count) }
    return hidden
  }

  /// The last hidden states after the final norm, shape `[tokens, hidden]`.
  ///
  /// - Parameters:
  ///   - residual: the residual stream behind the last layer, where it is known: only the norm is left then, in place.
  ///   - precision: of products.
  public func hiddenStates(
    of network: some Network, residual: Matrix<Float>? = nil, precision: Precision = .single, observer: Observer? = nil
  ) throws -> Matrix<Float> {
    let hidden = try residual ?? embed(network)
    let runner = runner(for: network, precision: precision)
    for index in 0..<network.configuration.layerCount where residual == nil {
      try runner.run(layer: index, weights: network.layer(index), hidden, observer: observer)
    }
    try runner.normalise(hidden, gain: network.finalNorm)
    return hidden
  }

  /// What the network's engine takes hidden states of the windows through layers with.
  ///
  /// - Parameter streams: largest number of hidden states that go through a layer together.
  public func runner(
    for network: some Network, streams: Int = 1, precision: Precision = .single
  ) -> any EnginePass {
    network.engine.pass(over: windows, through: network.configuration, streams: streams, precision)
  }

  /// Advances hidden states layer by layer on the processor's cores; it owns the workers' memory.
  public final class LayerRunner: Sendable {
    private let configuration: ModelConfiguration
    private let chunks: [Range<Int>]
    /// Those of the chunks.
    private let passes: [any BlockPass]
    private let rotaries: [RotaryEmbedding]
    private let workspaces: [Workspace]
    private let precision: Precision
    /// The layer at work, packed once for all chunks.
    private let layerMemory: LayerBuffers

    convenience init(
      _ configuration: ModelConfiguration, _ pass: ForwardPass, streams: Int = 1, precision: Precision = .single
    ) {
      let length = pass.windows.length
      self.init(
        configuration, pass.chunks.map { ($0, WindowPass(length: length)) }, positions: length, keys: length,
        streams: streams, precision)
    }

    convenience init(
      _ configuration: ModelConfiguration, _ trees: TokenTrees, streams: Int = 1, precision: Precision
    ) {
      let parts = trees.chunks(ofTokens: ForwardPass.chunkTokens).map { range in
        (rows: trees.firstRow(ofTree: range.lowerBound)..<trees.firstRow(ofTree: range.upperBound), range: range)
      }
      let passes = parts.map { TreePass(trees, trees: $0.range) }
      self.init(
        configuration, zip(parts, passes).map { ($0.rows, $1) }, positions: trees.longest,
        keys: passes.map(\.mostColumns).max() ?? 0, streams: streams, precision)
    }

    /// - Parameters:
    ///   - chunks: rows that go through a layer together, and how.
    ///   - positions: largest number of positions of a sequence.
    ///   - keys: largest number of keys that a query is multiplied by.
    private init(
      _ configuration: ModelConfiguration, _ chunks: [(rows: Range<Int>, pass: any BlockPass)], positions: Int,
      keys: Int, streams: Int, _ precision: Precision
    ) {
      self.configuration = configuration
      self.precision = precision
      (self.chunks, passes) = (chunks.map(\.rows), chunks.map(\.pass))
      rotaries = RotaryEmbedding.all(configuration, positions: positions)
      let rows = chunks.map(\.rows.count).max() ?? 0
      let workers = min(Threads.count, max(1, chunks.count * streams))
      // Where an observer looks on, as few as its lanes.
      let share = Threads.share(among: min(workers, ForwardPass.lanes))
      workspaces = (0..<workers).map { _ in Workspace(configuration, rows: rows, length: keys, workers: share) }
      layerMemory = LayerBuffers(configuration)
    }

    /// Chunks that the windows are cut into.
    public var chunkCount: Int { chunks.count }

    public func run(
      layer index: Int, weights: LayerWeights, _ hidden: Matrix<Float>, lanes most: Int, observer: Observer?
    ) throws {
      let block = block(packed(weights))
      let lanes = observer == nil ? chunks.count : min(most, chunks.count)
      try Threads.forEach(chunks.count, inLanes: lanes) { chunk, lane, worker in
        block.run(hidden.rows(chunks[chunk]), passes[chunk], workspaces[worker]) { tap, activations in
          observer?(index, tap, activations, lane)
        }
      }
    }

    /// The chunks of all hidden states are spread over the workers, so that few windows keep them busy, too.
    public func run(_ streams: [(weights: any PreparedLayer, hidden: Matrix<Float>)]) throws {
      let blocks = streams.map { stream in
        guard let packed = stream.weights as? PackedLayer else { preconditionFailure("a layer of another engine") }
        return block(packed)
      }
      try Threads.forEach(streams.count * chunks.count) { task, worker in
        let (stream, chunk) = (task / chunks.count, task % chunks.count)
        let hidden = streams[stream].hidden.rows(chunks[chunk])
        blocks[stream].run(hidden, passes[chunk], workspaces[worker]) { _, _ in }
      }
    }

    /// The inputs of the projection by which a module adds to the stream, for all tokens: shape `[tokens, queryHeads·D]` or
    /// `[tokens, mlpChannels]`.
    public func inputs(
      of module: LayerPart.Module, layer weights: LayerWeights, _ hidden: Matrix<Float>
    ) throws -> Matrix<Float> {
      // The other projections are not needed, so they are not packed.
      let block = block(packed(weights.keeping(module.inputProjections + [.expertBias])))
      let result = Matrix<Float>(rows: hidden.rows, columns: weights.activations(of: module))
      try Threads.forEach(chunks.count) { chunk, worker in
        let (rows, pass, workspace) = (hidden.rows(chunks[chunk]), passes[chunk], workspaces[worker])
        if module == .mlp, weights.hasExperts {
          return block.expandedExperts(rows, workspace, into: result.rows(chunks[chunk]))
        }
        result.rows(chunks[chunk]).assign(
          module == .attention
            ? block.attentionContext(rows, pass, workspace) : block.mlpHidden(rows, pass, workspace))
      }
      return result
    }

    /// `hidden += N(projection(activations))` for all tokens, to the last bit as in `run` if no expert has a bias.
    public func add(
      _ projection: Linear, from module: LayerPart.Module, postNorm gain: [Float], of activations: Matrix<Float>,
      to hidden: Matrix<Float>
    ) throws {
      if configuration.block.experts != nil, module == .mlp {
        return try Threads.forEach(chunks.count) { chunk, _ in
          let range = chunks[chunk]
          let width = configuration.activationsPerUnit
          addExperts(
            projection.weight, channels: width, of: activations.rows(range), to: hidden.rows(range))
        }
      }
      let projection = PackedLinear(projection, precision)
      try Threads.forEach(chunks.count) { chunk, worker in
        let (workspace, hidden) = (workspaces[worker], hidden.rows(chunks[chunk]))
        let rows = PackedRows(activations.rows(chunks[chunk]), precision, in: workspace.packedRows)
        if gain.isEmpty { return projection.apply(rows, into: hidden, accumulating: true) }
        let output = workspace.output.rows(0..<hidden.rows)
        projection.apply(rows, into: output)
        configuration.addNormalised(output, gain: gain, to: hidden) { _, _ in }
      }
    }

    /// The weights packed for the passes here, until others are.
    func packed(_ weights: LayerWeights) -> PackedLayer { PackedLayer(weights, precision, in: layerMemory) }

    private func block(_ weights: PackedLayer) -> TransformerBlock {
      TransformerBlock(configuration: configuration, weights: weights, rotaries: rotaries)
    }

    /// The root-mean-square norm of every token, in place.
    public func normalise(_ hidden: Matrix<Float>, gain: [Float]) throws {
      try Threads.forEach(chunks.count) { chunk, _ in
        let rows = hidden.rows(chunks[chunk])
        configuration.normalise(rows, gain: gain, into: rows)
      }
    }
  }
}
