import LanguageModels
import LinearAlgebra

/// The dense distributions of a model that caps its logits, made again of its final hidden states block by block.
struct CappedLogits: Sendable {
  /// Tokens whose logits exist at once, of both networks: two blocks of a head, for two workers.
  private static let blockTokens = 264

  /// The number `c` of `c·tanh(logit/c)`.
  let cap: Float
  let dense: any EngineHead
  /// After the final norm, shape `[tokens, hidden]`.
  let hidden: Matrix<Float>
  let vocabulary: Int

  /// Calls `body(rows, z, p)` for blocks of tokens, with the logits `z` of another network and the dense probabilities `p`.
  ///
  /// - Parameters:
  ///   - states: the other network's final hidden states.
  ///   - places: the dense token of each of their rows.
  ///   - head: the other network's head, which caps, too.
  private func forEachBlock(
    _ states: Matrix<Float>, _ places: [Int], head: any EngineHead,
    _ body: (_ rows: Range<Int>, _ z: Matrix<Float>, _ p: Matrix<Float>) -> Void
  ) throws {
    for start in stride(from: 0, to: states.rows, by: Self.blockTokens) {
      let rows = start..<min(start + Self.blockTokens, states.rows)
      let p = try dense.logits(hidden.gatherRows(Array(places[rows])), vocabulary: vocabulary)
      for i in 0..<p.rows { Kernels.softmax(p.row(i), count: vocabulary) }
      body(rows, try head.logits(states.rows(rows), vocabulary: vocabulary), p)
    }
  }

  /// `Σ p·z`, token by token.
  func agreements(_ states: Matrix<Float>, _ places: [Int], head: any EngineHead) throws -> [Double] {
    var found: [Double] = []
    try forEachBlock(states, places, head: head) { rows, z, p in
      found += (0..<rows.count).map { Double(Kernels.dot(p.row($0), z.row($0), count: vocabulary)) }
    }
    return found
  }

  /// The gradient of `scale · Σ divergences` with respect to the hidden states, and `log Σ exp(z) − Σ p·z` of each token.
  ///
  /// - Parameter weight: of the head.
  func gradient(
    _ states: Matrix<Float>, _ places: [Int], head: any EngineHead, weight: Matrix<Float>, scale: Float,
    into grad: Matrix<Float>
  ) throws -> [Double] {
    var found: [Double] = []
    try forEachBlock(states, places, head: head) { rows, z, p in
      for i in 0..<z.rows {
        let logits = Array(UnsafeBufferPointer(start: z.row(i), count: vocabulary))
        let normaliser = OutputHead.summary(logits, count: vocabulary, target: nil).normaliser
        found.append(normaliser - Double(Kernels.dot(p.row(i), logits, count: vocabulary)))
        // (q − p)·(1 − (z/c)²)
        Kernels.softmax(z.row(i), count: vocabulary)
        Kernels.addScaled(p.row(i), -1, to: z.row(i), count: vocabulary)
        Kernels.scale(z.row(i), by: scale, count: vocabulary)
        Kernels.softCapBackward(logits, cap, grad: z.row(i), count: vocabulary)
      }
      multiply(z, weight, into: grad.rows(rows))
    }
    return found
  }
}
