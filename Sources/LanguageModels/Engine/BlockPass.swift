import LinearAlgebra
import Runtime

/// The way of a pass's rows through a decoder layer: the positions that they stand for, the keys that they see, and the
/// dealing of products to workers.
protocol BlockPass: Sendable {
  /// Calls `body` once or for several shares at once, with a function that cuts a number of outputs to the share.
  ///
  /// - Parameter most: outputs of the largest product.
  func forEachShare(of most: Int, _ body: @Sendable (_ share: (Int) -> Range<Int>) -> Void)

  /// Places queries and keys (`TransformerBlock.place`), and computes the context of every query.
  func attend(_ heads: Workspace.Heads, _ block: TransformerBlock, _ workspace: Workspace)
}

/// Rows that are whole windows: a query sees the keys of its own window, which are all at hand.
struct WindowPass: BlockPass {
  /// Positions of a window.
  let length: Int

  /// Query rows handled at once: a multiple of the rows of a panel, few enough to waste little on what is masked.
  static let queryBlock = 48
  /// Keys of a panel.
  private static let keyPanel = 32

  /// Large products share themselves among idle workers.
  func forEachShare(of most: Int, _ body: @Sendable (_ share: (Int) -> Range<Int>) -> Void) { body { 0..<$0 } }

  func attend(_ heads: Workspace.Heads, _ block: TransformerBlock, _ workspace: Workspace) {
    for row in 0..<heads.query.rows { block.place(heads, row: row, at: row % length) }
    let (shape, dimension, precision) = (block.shape, block.configuration.headDimension, block.weights.precision)
    let sinks = block.weights[gain: .sinks]
    let windows = heads.query.rows / length
    Threads.forEach(windows * shape.kvHeads, workers: workspace.attention.count) { task, worker in
      let (start, group) = (task / shape.kvHeads * length, task % shape.kvHeads)
      let (window, scratch) = (start..<start + length, workspace.attention[worker])
      let columns = group * dimension..<(group + 1) * dimension
      // Packed once for all query heads of the group.
      let keys = PackedWeight(heads.key.rows(window).columns(columns), precision, in: scratch.keys)
      let values = PackedWeight(transposeOf: heads.value.rows(window).columns(columns), precision, in: scratch.values)
      for head in group * shape.queriesPerGroup..<(group + 1) * shape.queriesPerGroup {
        let columns = head * dimension..<(head + 1) * dimension
        attend(
          query: heads.query.rows(window).columns(columns), keys, values, scratch, block,
          sink: sinks.isEmpty ? -.infinity : sinks[head],
          into: heads.context.rows(window).columns(columns))
      }
    }
  }

  /// Causal attention of one head over one window; `query` and `context` are `[length, D]`.
  ///
  /// - Parameter sink: one more score of every query; `-∞` for none.
  private func attend(
    query: Matrix<Float>, _ keys: PackedWeight, _ values: PackedWeight, _ scratch: AttentionScratch,
    _ layer: TransformerBlock, sink: Float, into context: Matrix<Float>
  ) {
    func packed(_ x: Matrix<Float>, scale: Float = 1) -> PackedRows {
      PackedRows(x, keys.precision, scale: scale, in: scratch.packedScores)
    }
    let (kind, cap) = (layer.kind, layer.configuration.block.scoreCap)
    for start in stride(from: 0, to: query.rows, by: Self.queryBlock) {
      let end = min(start + Self.queryBlock, query.rows)
      // The keys that the first row sees begin in this panel.
      let first = kind.firstSeen(from: start) / Self.keyPanel * Self.keyPanel
      let block = scratch.scores.reshaped(rows: end - start, columns: end - first)
      multiply(
        packed(query.rows(start..<end), scale: layer.configuration.scoreScale), keys, outputs: first..<end, into: block)
      for i in start..<end {
        let row = block.row(i - start)
        let from = max(first, kind.firstSeen(from: i))
        row.update(repeating: 0, count: from - first)
        if let cap { Kernels.softCap(row + (from - first), cap, count: i - from + 1) }
        Kernels.softmax(row + (from - first), with: sink, count: i - from + 1)
        (row + (i - first + 1)).update(repeating: 0, count: end - i - 1)
      }
      multiply(packed(block), values, inputs: first..<end, into: context.rows(start..<end))
    }
  }
}

/// New positions of several sequences: a query sees the keys that its sequence's cache keeps, and its own.
///
/// Products are split by outputs, so each weight is read once. The results do not depend on the number of slices.
struct CachedPass: BlockPass {
  /// Where a row stands.
  struct Place: Sendable {
    let sequence: Int
    let position: Int
  }

  let cache: KeyValueCache
  /// The place of each row.
  let places: [Place]
  /// Attention scores, one matrix a worker.
  let scores: [Matrix<Float>]

  /// Slices that a product is cut into at most, many, so that workers end together.
  private static var slices: Int { 8 * Threads.count }
  /// Slices begin at panels of packed weights.
  private static let panel = 32

  func forEachShare(of most: Int, _ body: @Sendable (_ share: (Int) -> Range<Int>) -> Void) {
    Self.forEachShare(of: most, body)
  }

  static func forEachShare(of most: Int, _ body: @Sendable (_ share: (Int) -> Range<Int>) -> Void) {
    @Sendable func panels(_ outputs: Int) -> Int { (outputs + panel - 1) / panel }
    let slices = min(slices, panels(most))
    Threads.forEach(slices) { slice in
      body { outputs in
        let panels = panels(outputs)
        func edge(_ slice: Int) -> Int { min(outputs, slice * panels / slices * panel) }
        return edge(slice)..<edge(slice + 1)
      }
    }
  }

  func attend(_ heads: Workspace.Heads, _ block: TransformerBlock, _ workspace: Workspace) {
    // Rows of one sequence see the keys of those before.
    Threads.forEach(places.count, workers: scores.count) { row, _ in
      let place = places[row]
      block.place(heads, row: row, at: place.position)
      cache.remember(
        key: heads.key.row(row), value: heads.value.row(row), sequence: place.sequence, position: place.position)
    }
    let configuration = block.configuration
    let sinks = block.weights[gain: .sinks]
    Threads.forEach(places.count, workers: scores.count) { row, worker in
      let place = places[row]
      sinks.withUnsafeBufferPointer { sinks in
        cache.attend(
          heads.query.row(row), rows: block.shape.queriesPerGroup, sequence: place.sequence,
          seen: block.kind.firstSeen(from: place.position)..<place.position + 1,
          .init(
            scale: configuration.scoreScale, cap: configuration.block.scoreCap ?? 0,
            sinks: sinks.isEmpty ? nil : sinks.baseAddress),
          scratch: scores[worker].pointer, into: heads.context.row(row))
      }
    }
  }
}
