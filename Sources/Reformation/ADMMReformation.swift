import LinearAlgebra

/// search-llm's iteration toward the least-squares correction (arXiv 2409.17372, algorithm 2), for comparison.
///
/// With weights `[inputs, outputs]`, the Gram matrix scaled to a unit diagonal, ρ = 1 and 30 rounds, as in the authors'
/// code:
///
///     W ← (G + ρI)⁻¹(G·W₀ + ρ(Z − U))        Z ← (W + U) ∘ keep        U ← U + W − Z
///
/// In the second step the paper prints the mask of the pruned positions, and its code keeps those; the mask of the kept
/// ones is meant. The mask is whole rows here, so the limit is `NestedReformation` without damping.
public struct ADMMReformation: WidthSolver {
  public static let iterations = 30

  private let factor: CholeskyFactor<Double>
  /// `G·W₀`, shape `[inputs, outputs]`.
  private let target: Matrix<Double>
  /// `W₀`, scaled.
  private let start: Matrix<Double>
  private let scales: [Double]
  private let rounds: Int

  /// - Parameters:
  ///   - gram: `E[x xᵀ]` in the parent's order, shape `[inputs, inputs]`.
  ///   - weight: shape `[outputs, inputs]`, in the parent's order.
  ///   - order: inputs from the first to the last kept.
  /// - Throws: `ReformationError.notFinite`.
  public init(
    gram: Matrix<Float>, weight: Matrix<Float>, order: [Int], iterations: Int = ADMMReformation.iterations
  ) throws(ReformationError) {
    let n = order.count
    // An input that is always zero has no scale of its own.
    let scales = order.map { gram[$0, $0] > 0 ? Double(gram[$0, $0]).squareRoot() : 1 }
    let system = Matrix<Double>(rows: n, columns: n)
    let start = Matrix<Double>(rows: n, columns: weight.rows)
    for (i, source) in order.enumerated() {
      for (j, column) in order.enumerated() { system[i, j] = Double(gram[source, column]) / (scales[i] * scales[j]) }
      for j in 0..<weight.rows { start[i, j] = Double(weight[j, source]) * scales[i] }
    }
    target = Matrix<Double>(rows: n, columns: weight.rows)
    multiply(system, start, into: target)
    for i in 0..<n { system[i, i] += 1 }
    do { factor = try CholeskyFactor(factorising: system) } catch { throw .notFinite }
    (self.start, self.scales) = (start, scales)
    rounds = iterations
  }

  /// The weight after the last round, shape `[outputs, width]`.
  public func weight(keeping width: Int) -> Matrix<Float> {
    let (z, u) = (start.copy(), Matrix<Double>(rows: start.rows, columns: start.columns))
    for _ in 0..<rounds {
      let w = target.copy()
      for i in 0..<w.count { w.pointer[i] += z.pointer[i] - u.pointer[i] }
      factor.solveLower(w)
      factor.solveLowerTransposed(w)
      let kept = width * w.columns
      for i in 0..<w.count {
        z.pointer[i] = i < kept ? w.pointer[i] + u.pointer[i] : 0
        u.pointer[i] += w.pointer[i] - z.pointer[i]
      }
    }
    let result = z.rows(0..<width).copy()
    for i in 0..<width { for j in 0..<result.columns { result[i, j] /= scales[i] } }
    return result.transposedNarrowed()
  }

  var byteCount: Int { (start.rows * start.rows + 2 * start.count) * MemoryLayout<Double>.size }
}
