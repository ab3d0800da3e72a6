import LinearAlgebra

/// Turns hidden states into logits, block by block, so that the logits of all tokens never exist at once.
public struct OutputHead: Sendable {
  private let head: Matrix<Float>
  private static let blockTokens = 128

  public init(_ network: some Network) { head = network.head }

  /// - Parameter head: shape `[vocabulary, hidden]`.
  public init(head: Matrix<Float>) { self.head = head }

  /// Calls `body(rows, logits)` for consecutive blocks of rows, `logits` of shape `[rows.count, vocabulary]`.
  ///
  /// Blocks run concurrently; the memory of `logits` is reused, and may be overwritten by `body`.
  public func forEachBlock(
    _ hidden: Matrix<Float>, _ body: @Sendable (_ rows: Range<Int>, _ logits: Matrix<Float>) -> Void
  ) throws {
    let blocks = (hidden.rows + Self.blockTokens - 1) / Self.blockTokens
    let buffers = (0..<min(Threads.count, max(1, blocks))).map { _ in
      Matrix<Float>(rows: min(Self.blockTokens, hidden.rows), columns: head.rows)
    }
    try Threads.forEach(blocks) { block, worker in
      let rows = block * Self.blockTokens..<min((block + 1) * Self.blockTokens, hidden.rows)
      let logits = buffers[worker].rows(0..<rows.count)
      multiply(hidden.rows(rows), head, transposingB: true, into: logits)
      body(rows, logits)
    }
  }

  /// All logits, shape `[tokens, vocabulary]`: for a few tokens only.
  public func logits(_ hidden: Matrix<Float>) throws -> Matrix<Float> {
    let result = Matrix<Float>(rows: hidden.rows, columns: head.rows)
    try forEachBlock(hidden) { rows, logits in result.rows(rows).assign(logits) }
    return result
  }
}
