import LinearAlgebra
import Runtime

/// Rows that are nodes of trees (`TokenTrees`): a query sees the keys of its node up to its own, and those of the nodes above.
struct TreePass: BlockPass {
  /// Rows of a tree that lie and stand one after another.
  struct Run: Sendable {
    /// Places among the rows of the tree.
    var rows: Range<Int>
    /// The position of the first.
    let position: Int
  }

  /// A node's own rows, and the runs that its path consists of, the last of which ends with them.
  struct Path: Sendable {
    let own: Run
    let keys: [Run]
  }

  struct Tree: Sendable {
    /// Places among the rows of the pass.
    let rows: Range<Int>
    let paths: [Path]
  }

  let trees: [Tree]

  /// Keys of a panel.
  private static let keyPanel = 32

  /// - Parameter range: which of the trees; the rows of the pass are theirs.
  init(_ all: TokenTrees, trees range: Range<Int>) {
    let first = all.firstRow(ofTree: range.lowerBound)
    trees = range.map { tree in
      let rows = all.firstRow(ofTree: tree)..<all.firstRow(ofTree: tree + 1)
      var paths: [Path] = []
      let start = all.trees[tree].lowerBound
      for node in all.nodes[all.trees[tree]] {
        let places = node.rows.lowerBound - rows.lowerBound..<node.rows.upperBound - rows.lowerBound
        let own = Run(rows: places, position: node.position)
        var keys = node.parent.map { paths[$0 - start].keys } ?? []
        if let last = keys.last, last.rows.upperBound == places.lowerBound {
          keys[keys.count - 1].rows = last.rows.lowerBound..<places.upperBound
        } else {
          keys.append(own)
        }
        paths.append(Path(own: own, keys: keys))
      }
      return Tree(rows: rows.lowerBound - first..<rows.upperBound - first, paths: paths)
    }
  }

  /// Number of columns that the scores of a query may take: every run may begin within a panel.
  var mostColumns: Int {
    trees.reduce(0) { most, tree in
      max(most, tree.rows.count + Self.keyPanel * (tree.paths.map(\.keys.count).max() ?? 0))
    }
  }

  /// Large products share themselves among idle workers.
  func forEachShare(of most: Int, _ body: @Sendable (_ share: (Int) -> Range<Int>) -> Void) { body { 0..<$0 } }

  func attend(_ heads: Workspace.Heads, _ block: TransformerBlock, _ workspace: Workspace) {
    for tree in trees {
      for path in tree.paths {
        for (offset, row) in path.own.rows.enumerated() {
          block.place(heads, row: tree.rows.lowerBound + row, at: path.own.position + offset)
        }
      }
    }
    let (shape, dimension, precision) = (block.shape, block.configuration.headDimension, block.weights.precision)
    let sinks = block.weights[gain: .sinks]
    Threads.forEach(trees.count * shape.kvHeads, workers: workspace.attention.count) { task, worker in
      let (tree, group) = (trees[task / shape.kvHeads], task % shape.kvHeads)
      let scratch = workspace.attention[worker]
      let columns = group * dimension..<(group + 1) * dimension
      // Packed once for all query heads of the group.
      let keys = PackedWeight(heads.key.rows(tree.rows).columns(columns), precision, in: scratch.keys)
      let values = PackedWeight(
        transposeOf: heads.value.rows(tree.rows).columns(columns), precision, in: scratch.values)
      for head in group * shape.queriesPerGroup..<(group + 1) * shape.queriesPerGroup {
        let columns = head * dimension..<(head + 1) * dimension
        let attention = TreeAttention(
          keys: keys, values: values, scratch: scratch, block: block, sink: sinks.isEmpty ? -.infinity : sinks[head])
        let (query, context) = (heads.query.rows(tree.rows), heads.context.rows(tree.rows))
        for path in tree.paths {
          attention.run(path, query: query.columns(columns), into: context.columns(columns))
        }
      }
    }
  }

  /// Attention of one head over one tree.
  private struct TreeAttention {
    let keys: PackedWeight
    let values: PackedWeight
    let scratch: AttentionScratch
    let block: TransformerBlock
    /// One more score of every query; `-∞` for none.
    let sink: Float

    /// Keys that a block of queries is multiplied by, and where their scores are.
    private struct Span {
      let keys: Range<Int>
      let columns: Range<Int>
      let run: Run
    }

    /// `query` and `context` are `[rows of the tree, D]`.
    func run(_ path: Path, query: Matrix<Float>, into context: Matrix<Float>) {
      let own = path.own
      for start in stride(from: own.rows.lowerBound, to: own.rows.upperBound, by: WindowPass.queryBlock) {
        let rows = start..<min(start + WindowPass.queryBlock, own.rows.upperBound)
        let position = own.position + start - own.rows.lowerBound
        let spans = spans(path, of: rows, at: position)
        let scores = scratch.scores.reshaped(rows: rows.count, columns: spans.last?.columns.upperBound ?? 0)
        let packed = packed(query.rows(rows), scale: block.configuration.scoreScale)
        for span in spans { multiply(packed, keys, outputs: span.keys, into: scores.columns(span.columns)) }
        for i in rows { normalise(scores.row(i - start), at: position + i - start, spans, count: scores.columns) }
        for (number, span) in spans.enumerated() {
          multiply(
            self.packed(scores.columns(span.columns)), values, inputs: span.keys, accumulating: number > 0,
            into: context.rows(rows))
        }
      }
    }

    private func packed(_ x: Matrix<Float>, scale: Float = 1) -> PackedRows {
      PackedRows(x, keys.precision, scale: scale, in: scratch.packedScores)
    }

    /// What is seen from some rows of the path's node, the first of which stands at a position.
    private func spans(_ path: Path, of rows: Range<Int>, at position: Int) -> [Span] {
      let first = block.kind.firstSeen(from: position)
      var spans: [Span] = []
      var width = 0
      for run in path.keys {
        let start = run.rows.lowerBound + max(0, first - run.position)
        let end = min(run.rows.upperBound, rows.upperBound)
        if start >= end { continue }
        let keys = start / TreePass.keyPanel * TreePass.keyPanel..<end
        spans.append(Span(keys: keys, columns: width..<width + keys.count, run: run))
        width += keys.count
      }
      return spans
    }

    /// The softmax of what a position sees; all other scores become 0.
    private func normalise(_ row: UnsafeMutablePointer<Float>, at position: Int, _ spans: [Span], count: Int) {
      if let cap = block.configuration.block.scoreCap { Kernels.softCap(row, cap, count: count) }
      let first = block.kind.firstSeen(from: position)
      func hide(_ value: Float) {
        for span in spans {
          let run = span.run
          let seen = run.rows.lowerBound + max(0, first - run.position)
          let before = min(span.keys.count, max(0, seen - span.keys.lowerBound))
          let end = run.rows.lowerBound + position + 1 - run.position
          let behind = max(before, min(span.keys.count, end - span.keys.lowerBound))
          let scores = row + span.columns.lowerBound
          scores.update(repeating: value, count: before)
          (scores + behind).update(repeating: value, count: span.keys.count - behind)
        }
      }
      hide(-.infinity)
      Kernels.softmax(row, with: sink, count: count)
      hide(0)
    }
  }
}

extension TokenTrees {
  /// The row with which a tree begins; behind the last one, the number of rows.
  func firstRow(ofTree tree: Int) -> Int {
    tree == trees.count ? tokens.count : nodes[trees[tree].lowerBound].rows.lowerBound
  }
}
