import LanguageModels
import LinearAlgebra
import Runtime

/// Mean products over tokens: in single precision within a block of tokens, and in double precision over the blocks.
enum SecondMoments {
  /// `E[x xᵀ]`.
  static func gram(_ x: Matrix<Float>) throws -> Matrix<Double> {
    let sum = try laneSum(x.rows, rows: x.columns, columns: x.columns) {
      accumulateGram(x.rows($0), accumulate: 0, into: $1)
    }
    mirrorUpperTriangle(sum)
    return sum.widened()
  }

  /// `E[x yᵀ]`, shape `[x.columns, y.columns]`.
  static func cross(_ x: Matrix<Float>, _ y: Matrix<Float>) throws -> Matrix<Double> {
    try laneSum(x.rows, rows: x.columns, columns: y.columns) {
      multiply(x.rows($0), y.rows($0), transposingA: true, into: $1)
    }.widened()
  }

  /// A fixed number of lanes keeps the sums independent of the number of cores.
  private static func laneSum(
    _ tokens: Int, rows: Int, columns: Int, _ add: @Sendable (Range<Int>, Matrix<Float>) -> Void
  ) throws -> Matrix<Float> {
    let lanes = ForwardPass.lanes
    let sums = (0..<lanes).map { _ in Matrix<Float>(rows: rows, columns: columns) }
    try Threads.forEach(lanes) { lane, _ in
      add(lane * tokens / lanes..<(lane + 1) * tokens / lanes, sums[lane])
    }
    for lane in 1..<lanes { Kernels.add(sums[lane].pointer, to: sums[0].pointer, count: sums[0].count) }
    Kernels.scale(sums[0].pointer, by: 1 / Float(max(1, tokens)), count: sums[0].count)
    return sums[0]
  }
}

/// Moments of the input `x` of a module's projections in the subnet, and of its difference `d` from the input in the
/// dense network. They suffice to correct each projection: its output lacks `r = W·d`.
struct InputMoments {
  /// `E[x xᵀ]`, shape `[inputs, inputs]` as the others.
  private let gram: Matrix<Double>
  /// `E[d xᵀ]`.
  private let cross: Matrix<Double>
  /// `E[d dᵀ]`.
  private let energy: Matrix<Double>

  /// - Parameters:
  ///   - inputs: `x`, shape `[tokens, inputs]`.
  ///   - difference: `d`.
  init(inputs: Matrix<Float>, difference: Matrix<Float>) throws {
    gram = try SecondMoments.gram(inputs)
    cross = try SecondMoments.cross(difference, inputs)
    energy = try SecondMoments.gram(difference)
  }

  func problem(_ projection: Linear) -> InputProblem {
    let weight = projection.weight.widened()
    // E[r xᵀ] = W·E[d xᵀ]
    let lacking = Matrix<Double>(rows: weight.rows, columns: weight.columns)
    multiply(weight, cross, into: lacking)
    return InputProblem(gram: gram, lacking: lacking, baseline: Self.trace(weight, energy))
  }

  /// `tr(A·M·Aᵀ)` for symmetric `M`.
  fileprivate static func trace(_ a: Matrix<Double>, _ m: Matrix<Double>) -> Double {
    let product = Matrix<Double>(rows: a.rows, columns: a.columns)
    multiply(a, m, into: product)
    return inner(product, a)
  }

  /// `Σ A ∘ B`.
  fileprivate static func inner(_ a: Matrix<Double>, _ b: Matrix<Double>) -> Double {
    (0..<a.rows).reduce(0) { sum, i in
      let (x, y) = (a.row(i), b.row(i))
      var part = 0.0
      for j in 0..<a.columns { part += x[j] * y[j] }
      return sum + part
    }
  }
}

/// The correction of one projection by the moments of its inputs: no product over tokens is left.
struct InputProblem: Correctable {
  fileprivate let gram: Matrix<Double>
  /// `E[r xᵀ]`, shape `[outputs, inputs]`.
  fileprivate let lacking: Matrix<Double>
  /// `E‖r‖²`.
  fileprivate let baseline: Double

  /// `E‖r − Δx‖² = E‖r‖² − 2·tr(Δ·E[x rᵀ]) + tr(Δ·E[x xᵀ]·Δᵀ)`.
  func error(_ change: ProjectionProblem.Change?) -> Double {
    guard let change else { return baseline }
    let weight = change.weight.widened()
    return max(0, baseline - 2 * InputMoments.inner(weight, lacking) + InputMoments.trace(weight, gram))
  }

  func normalEquations(bias: Bool) -> NormalEquations {
    precondition(!bias, "what reads the residual stream gets no bias")
    return NormalEquations(gram: gram, cross: lacking.transposed())
  }
}
