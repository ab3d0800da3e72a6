import LanguageModels
import LinearAlgebra

/// The data that a change of a projection is judged by.
protocol Judge {
  /// Mean squared length of the error after a change, per token.
  func error(_ change: ProjectionProblem.Change?) -> Double
}

/// The data for the correction of a projection, and the size of its output's error.
protocol Correctable: Judge {
  /// Whether there are errors toward two goals, one beside the other.
  var isTwofold: Bool { get }
  func normalEquations(bias: Bool) throws -> NormalEquations
}

extension Correctable {
  var isTwofold: Bool { false }
}

/// The inputs of a projection, and the remaining errors of its output.
///
/// If tokens have different weights, both are scaled token by token, and so is the constant input of a bias.
struct ProjectionProblem: Correctable {
  /// Shape `[tokens, inputs]`.
  let inputs: Matrix<Float>
  /// Shape `[tokens, outputs]`; toward two goals `[tokens, 2·outputs]`.
  let remaining: Matrix<Float>
  /// The factor of each token; `nil` for 1.
  var scales: [Float]?
  var isTwofold = false

  struct Change {
    /// Shape `[outputs, inputs]`.
    let weight: Matrix<Float>
    let bias: [Float]?

    /// Those toward each of two goals.
    var halves: (first: Change, second: Change) {
      let count = weight.rows / 2
      return (
        Change(weight: weight.rows(0..<count), bias: bias.map { Array($0[..<count]) }),
        Change(weight: weight.rows(count..<2 * count), bias: bias.map { Array($0[count...]) })
      )
    }

    func toward(_ other: Change, by share: Float) -> Change {
      let weight = weight.copy()
      Kernels.scale(weight.pointer, by: 1 - share, count: weight.count)
      Kernels.addScaled(other.weight.pointer, share, to: weight.pointer, count: weight.count)
      return Change(weight: weight, bias: bias.map { zip($0, other.bias ?? $0).map { $0 + share * ($1 - $0) } })
    }
  }

  /// The problems toward two goals, of the same inputs.
  func beside(_ other: ProjectionProblem) -> ProjectionProblem {
    let both = Matrix<Float>(uninitialized: remaining.rows, columns: 2 * remaining.columns)
    both.columns(0..<remaining.columns).assign(remaining)
    both.columns(remaining.columns..<both.columns).assign(other.remaining)
    return ProjectionProblem(inputs: inputs, remaining: both, scales: scales, isTwofold: true)
  }

  func normalEquations(bias: Bool) throws -> NormalEquations { try NormalEquations(self, bias: bias) }

  func error(_ change: Change?) -> Double {
    var difference = remaining
    if let change {
      difference = Matrix<Float>(rows: remaining.rows, columns: remaining.columns)
      Linear(weight: change.weight).apply(inputs, into: difference)
      if let bias = change.bias {
        for i in 0..<difference.rows {
          Kernels.addScaled(bias, scales?[i] ?? 1, to: difference.row(i), count: difference.columns)
        }
      }
      Kernels.scale(difference.pointer, by: -1, count: difference.count)
      Kernels.add(remaining.pointer, to: difference.pointer, count: difference.count)
    }
    return (0..<difference.rows).reduce(0.0) { sum, i in
      sum + Double(Kernels.dot(difference.row(i), difference.row(i), count: difference.columns))
    } / Double(max(1, difference.rows))
  }
}

/// `(E[x xᵀ] + λI)·Δᵀ = E[x rᵀ]` for a change Δ of a projection with inputs `x` and remaining error `r`; with a bias,
/// both expectations about the means.
struct NormalEquations {
  private let gram: Matrix<Double>
  private let cross: Matrix<Double>
  /// Weighted by the squares of the scales.
  private let means: (inputs: [Double], remaining: [Double])?

  /// - Parameters:
  ///   - gram: `E[x xᵀ]`.
  ///   - cross: `E[x rᵀ]`.
  init(gram: Matrix<Double>, cross: Matrix<Double>) {
    (self.gram, self.cross) = (gram, cross)
    means = nil
  }

  init(_ problem: ProjectionProblem, bias: Bool) throws {
    let (inputs, targets) = (problem.inputs, problem.remaining)
    gram = try SecondMoments.gram(inputs)
    cross = try SecondMoments.cross(inputs, targets)
    guard bias else {
      means = nil
      return
    }
    let scales = problem.scales
    // E[s²], and E[s²x]/E[s²], E[s²r]/E[s²].
    let weight = scales.map { $0.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(max(1, $0.count)) } ?? 1
    let (x, r) = (
      Self.means(inputs, scales).map { $0 / weight }, Self.means(targets, scales).map { $0 / weight }
    )
    for i in 0..<gram.rows {
      for j in 0..<gram.columns { gram[i, j] -= weight * x[i] * x[j] }
      for j in 0..<cross.columns { cross[i, j] -= weight * x[i] * r[j] }
    }
    means = (x, r)
  }

  /// Means of the rows, each times its scale.
  private static func means(_ matrix: Matrix<Float>, _ scales: [Float]?) -> [Double] {
    let sums = Matrix<Float>(rows: 1, columns: matrix.columns)
    var total = Array(repeating: 0.0, count: matrix.columns)
    // Works in blocks, so that single precision holds the sums.
    for start in stride(from: 0, to: matrix.rows, by: 256) {
      sums.pointer.update(repeating: 0, count: sums.count)
      for i in start..<min(start + 256, matrix.rows) {
        Kernels.addScaled(matrix.row(i), scales?[i] ?? 1, to: sums.pointer, count: sums.count)
      }
      for j in total.indices { total[j] += Double(sums.pointer[j]) }
    }
    return total.map { $0 / Double(max(1, matrix.rows)) }
  }

  /// Δ, and the change of the bias; `nil` if the damped Gram matrix is singular.
  func solve(damping: Double, on engine: any Engine) -> ProjectionProblem.Change? {
    let damped = gram.copy()
    let trace = (0..<gram.rows).reduce(0.0) { $0 + gram[$1, $1] }
    for i in 0..<gram.rows { damped[i, i] += damping * trace / Double(gram.rows) }
    guard let factor = try? engine.factor(damped) else { return nil }
    let solution = cross.copy()
    factor.solveLower(solution)
    factor.solveLowerTransposed(solution)
    var bias: [Float]?
    if let means {
      var offset = means.remaining
      for i in 0..<solution.rows {
        for j in 0..<solution.columns { offset[j] -= means.inputs[i] * solution[i, j] }
      }
      bias = offset.map { Float($0) }
    }
    return .init(weight: solution.transposedNarrowed(), bias: bias)
  }
}
