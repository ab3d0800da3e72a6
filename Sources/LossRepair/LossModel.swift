import Evaluation
import LanguageModels
import LinearAlgebra
import Synchronization

/// The divergence from the dense model to second order in a few numbers: steps along directions.
///
///     KL(c) ≈ KL(0) + gᵀc + ½·cᵀHc ,   H_jk = E[ Cov_q(u_j, u_k) ]
///
/// with `u_j` the derivative of the logits along direction `j`, and `q` the network's own distribution at a token: the
/// Gauss-Newton matrix of the divergence, which is its Hessian where the networks agree (Martens 2020, section 8). `g` is
/// exact. The covariance at a token is taken over the whole vocabulary if that is small, else over tokens drawn from `q`.
struct LossModel {
  /// Entries of the vocabulary at a token.
  static let draws = 512

  let gradient: [Double]
  /// Shape `[directions, directions]`.
  let curvature: Matrix<Double>

  /// - Parameters:
  ///   - reference: the dense model.
  ///   - chosen: the reference's windows that are looked at.
  ///   - directions: in the order of their layers.
  init(
    _ network: some Network, toward reference: DenseReference, windows chosen: [Int], along directions: [Direction]
  ) throws {
    let streams = try DirectionStreams(network, reference.windows.selecting(chosen), along: directions)
    let grad = Matrix<Float>(rows: streams.hidden.rows, columns: streams.hidden.columns)
    _ = try reference.gradient(at: streams.hidden, windows: chosen, into: grad)
    gradient = streams.changes.map { change in
      (0..<grad.rows).reduce(0) { $0 + Double(Kernels.dot(grad.row($1), change.row($1), count: grad.columns)) }
    }
    curvature = try Self.curvature(network, streams)
  }

  private static func curvature(_ network: some Network, _ streams: DirectionStreams) throws -> Matrix<Double> {
    let (count, tokens) = (streams.changes.count, streams.hidden.rows)
    let parts = Mutex<[Int: Matrix<Float>]>([:])
    let (head, cap) = (network.head, network.configuration.logitCap)
    try network.outputHead(.single).forEachBlock(streams.hidden) { rows, logits in
      let sum = Matrix<Float>(rows: count, columns: count)
      let changes = Matrix<Float>(uninitialized: count, columns: head.columns)
      for (i, row) in rows.enumerated() {
        let drawn = Drawn(logits.row(i), count: logits.columns, token: row, cap: cap)
        for (j, change) in streams.changes.enumerated() {
          changes.row(j).update(from: change.row(row), count: head.columns)
        }
        accumulateGram(drawn.centred(head, changes), accumulate: 1, into: sum)
      }
      parts.withLock { $0[rows.lowerBound] = sum }
    }
    // In the order of the tokens, so that the sum does not depend on the workers.
    let total = Matrix<Double>(rows: count, columns: count)
    for (_, sum) in parts.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
      for i in 0..<count { for j in i..<count { total[i, j] += Double(sum[i, j]) / Double(tokens) } }
    }
    mirrorUpperTriangle(total)
    return total
  }

  /// The best steps if none is trusted beyond `damping` times its own curvature, or a little of the mean `h` of all:
  /// `(H + damping·diag H + 1e-4·h·I)·c = −g`.
  ///
  /// - Returns: `nil` if the matrix cannot be factorised.
  func steps(damping: Double) -> [Double]? {
    let matrix = curvature.transposed()
    let mean = (0..<matrix.rows).reduce(0.0) { $0 + matrix[$1, $1] } / Double(max(1, matrix.rows))
    for i in 0..<matrix.rows { matrix[i, i] += damping * matrix[i, i] + 1e-4 * mean }
    guard mean > 0, let factor = try? CholeskyFactor(factorising: matrix) else { return nil }
    let solution = Matrix(gradient.map { -$0 }, rows: gradient.count, columns: 1)
    factor.solveLower(solution)
    factor.solveLowerTransposed(solution)
    return solution.elements
  }

  /// What the model promises for some steps: the change of the divergence.
  func change(_ steps: [Double]) -> Double {
    steps.indices.reduce(0) { sum, i in
      sum + gradient[i] * steps[i]
        + 0.5 * steps[i] * steps.indices.reduce(0) { $0 + curvature[i, $1] * steps[$1] }
    }
  }
}

/// Entries of the vocabulary that stand in for the distribution at a token.
private struct Drawn {
  private var entries: [Int] = []
  private var weights: [Float] = []
  /// Slopes of the cap at the entries.
  private var slopes: [Float] = []

  /// - Parameter logits: become probabilities.
  init(_ logits: UnsafeMutablePointer<Float>, count: Int, token: Int, cap: Float?) {
    let capped = cap.map { _ in Array(UnsafeBufferPointer(start: logits, count: count)) }
    Kernels.softmax(logits, count: count)
    if count <= LossModel.draws {
      (entries, weights) = (Array(0..<count), Array(UnsafeBufferPointer(start: logits, count: count)))
    } else {
      // Evenly spaced draws: each entry comes as often as its share says, to within one.
      var random = SeededGenerator(seed: 0, stream: UInt64(token))
      let width = 1 / Double(LossModel.draws)
      var (next, reached) = (random.unit() * width, 0.0)
      for entry in 0..<count {
        reached += Double(logits[entry])
        var times = 0
        while next < reached, next < 1 { (next, times) = (next + width, times + 1) }
        if times == 0 { continue }
        entries.append(entry)
        weights.append(Float(times) / Float(LossModel.draws))
      }
    }
    slopes = entries.map { entry in
      guard let cap, let capped else { return 1 }
      return 1 - (capped[entry] / cap) * (capped[entry] / cap)
    }
  }

  /// Rows of `√w·(u − ū)`, an entry each, with `u` the changes of its logit: shape `[entries, directions]`.
  func centred(_ head: Matrix<Float>, _ changes: Matrix<Float>) -> Matrix<Float> {
    let result = Matrix<Float>(uninitialized: entries.count, columns: changes.rows)
    multiply(head.gatherRows(entries), changes, transposingB: true, into: result)
    let total = weights.reduce(0, +)
    let mean = Matrix<Float>(rows: 1, columns: changes.rows)
    for (i, weight) in weights.enumerated() {
      Kernels.scale(result.row(i), by: slopes[i], count: result.columns)
      Kernels.addScaled(result.row(i), weight / total, to: mean.pointer, count: result.columns)
    }
    for (i, weight) in weights.enumerated() {
      Kernels.addScaled(mean.pointer, -1, to: result.row(i), count: result.columns)
      Kernels.scale(result.row(i), by: weight.squareRoot(), count: result.columns)
    }
    return result
  }
}
