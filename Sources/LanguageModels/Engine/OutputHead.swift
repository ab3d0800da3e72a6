import Foundation
import LinearAlgebra
import Runtime

/// Turns hidden states into logits, block by block, so that the logits of all tokens never exist at once.
///
/// The head is packed once, which takes as much memory as itself in single precision: keep it for all tokens that are wanted.
public struct OutputHead: Sendable {
  private let head: PackedWeight
  private let cap: Float?
  /// A multiple of the rows of a panel.
  private static let blockTokens = 132
  /// Columns of logits that `summaries` computes at once: those of a block of tokens stay in the second cache.
  private static let tile = 512

  public init(_ network: some Network) { self.init(head: network.head, cap: network.configuration.logitCap) }

  /// - Parameters:
  ///   - head: shape `[vocabulary, hidden]`.
  ///   - cap: the number `c` of `c·tanh(logit/c)`; `nil` leaves logits as they are.
  ///   - precision: of products.
  public init(head: Matrix<Float>, cap: Float? = nil, precision: Precision = .single) {
    self.head = PackedWeight(head, precision)
    self.cap = cap
  }

  /// Logits of rows, of some of the vocabulary.
  private func compute(_ rows: PackedRows, _ columns: Range<Int>, into logits: Matrix<Float>) {
    multiply(rows, head, outputs: columns, into: logits)
    guard let cap else { return }
    for i in 0..<logits.rows { Kernels.softCap(logits.row(i), cap, count: logits.columns) }
  }

  /// What is told of a token's logits `z`.
  public struct Summary: Sendable {
    /// `log Σ exp(z)`.
    public let normaliser: Double
    /// Index of the largest; the first of equals.
    public let choice: Int32
    /// `z` at the token asked for; 0 where none was.
    public let target: Float
  }

  /// Summaries of all tokens' logits, of which only a small tile is ever there.
  ///
  /// - Parameters:
  ///   - hidden: shape `[tokens, hidden]`.
  ///   - target: the vocabulary's index whose logit is wanted for a row, if any.
  public func summaries(
    _ hidden: Matrix<Float>, target: @Sendable (_ row: Int) -> Int32?
  ) throws -> [Summary] {
    let found = RunningSummaries(count: hidden.rows)
    try forEachBlock(hidden, columns: min(Self.tile, head.outputs)) { rows, packed, logits in
      for start in stride(from: 0, to: head.outputs, by: Self.tile) {
        let columns = start..<min(start + Self.tile, head.outputs)
        let logits = logits.reshaped(rows: rows.count, columns: columns.count)
        compute(packed, columns, into: logits)
        for (i, row) in rows.enumerated() { found.add(logits.row(i), columns, to: row, target: target(row)) }
      }
    }
    return found.summaries
  }

  /// The summary of a token whose logits are all there, tile by tile as `summaries` makes it.
  public static func summary(_ logits: UnsafePointer<Float>, count: Int, target: Int32?) -> Summary {
    let found = RunningSummaries(count: 1)
    for start in stride(from: 0, to: count, by: tile) {
      found.add(logits + start, start..<min(start + tile, count), to: 0, target: target)
    }
    return found.summaries[0]
  }

  /// Calls `body(rows, logits)` for consecutive blocks of rows, `logits` of shape `[rows.count, vocabulary]`.
  ///
  /// Blocks run concurrently; the memory of `logits` is reused, and may be overwritten by `body`.
  public func forEachBlock(
    _ hidden: Matrix<Float>, _ body: @Sendable (_ rows: Range<Int>, _ logits: Matrix<Float>) -> Void
  ) throws {
    try forEachBlock(hidden, columns: head.outputs) { rows, packed, logits in
      let logits = logits.rows(0..<rows.count)
      compute(packed, 0..<head.outputs, into: logits)
      body(rows, logits)
    }
  }

  /// All logits, shape `[tokens, vocabulary]`: for a few tokens only.
  public func logits(_ hidden: Matrix<Float>) throws -> Matrix<Float> {
    let result = Matrix<Float>(rows: hidden.rows, columns: head.outputs)
    try forEachBlock(hidden) { rows, logits in result.rows(rows).assign(logits) }
    return result
  }

  /// Calls `body` for blocks of rows, packed, with memory for so many columns of their logits.
  private func forEachBlock(
    _ hidden: Matrix<Float>, columns: Int,
    _ body: @Sendable (_ rows: Range<Int>, _ packed: PackedRows, _ logits: Matrix<Float>) -> Void
  ) throws {
    let blocks = (hidden.rows + Self.blockTokens - 1) / Self.blockTokens
    let most = min(Self.blockTokens, hidden.rows)
    let workers = (0..<min(Threads.count, max(1, blocks))).map { _ in
      (
        packed: PackedBuffer(rows: most, columns: head.inputs),
        logits: Matrix<Float>(uninitialized: most, columns: columns)
      )
    }
    try Threads.forEach(blocks) { block, worker in
      let rows = block * Self.blockTokens..<min((block + 1) * Self.blockTokens, hidden.rows)
      let packed = PackedRows(hidden.rows(rows), head.precision, in: workers[worker].packed)
      body(rows, packed, workers[worker].logits)
    }
  }
}

/// What is known of each token's logits so far, written by different workers at different places.
private final class RunningSummaries: @unchecked Sendable {
  private struct State {
    var peak = -Float.infinity
    /// `Σ exp(z − peak)`.
    var mass = 0.0
    var choice: Int32 = 0
    var target: Float = 0
  }

  private let states: UnsafeMutableBufferPointer<State>

  init(count: Int) {
    states = .allocate(capacity: count)
    states.initialize(repeating: State())
  }

  deinit { states.deallocate() }

  /// Takes in the logits of some columns.
  func add(_ logits: UnsafePointer<Float>, _ columns: Range<Int>, to row: Int, target: Int32?) {
    var state = states[row]
    let peak = Kernels.maximum(logits, count: columns.count)
    if peak > state.peak {
      state.choice = Int32(columns.lowerBound + Kernels.argmax(logits, count: columns.count))
      state.mass *= exp(Double(state.peak) - Double(peak))
      state.peak = peak
    }
    state.mass += Double(Kernels.sumExp(logits, minus: state.peak, count: columns.count))
    if let target, columns.contains(Int(target)) { state.target = logits[Int(target) - columns.lowerBound] }
    states[row] = state
  }

  var summaries: [OutputHead.Summary] {
    states.map { .init(normaliser: Double($0.peak) + log($0.mass), choice: $0.choice, target: $0.target) }
  }
}
