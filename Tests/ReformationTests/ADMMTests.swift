import LinearAlgebra
import Testing

@testable import Reformation

/// search-llm's iteration (arXiv 2409.17372, algorithm 2) as an oracle for the closed form.
@Suite struct ADMMTests {
  private let inputs = 10
  private let outputs = 6

  /// `W ← (G + ρI)⁻¹(G·W₀ + ρ(Z − U))`, `Z ← (W + U) ∘ keep`, `U ← U + W − Z` with weights `[inputs, outputs]` and the Gram
  /// scaled to a unit diagonal. The paper prints the pruned positions' mask in the second step; kept ones are meant.
  private func admm(_ gram: Matrix<Double>, _ weight: Matrix<Double>, keeping kept: Int, iterations: Int) throws
    -> Matrix<Double>
  {
    let scales = (0..<inputs).map { gram[$0, $0].squareRoot() }
    let system = gram.copy()
    let start = weight.copy()
    for i in 0..<inputs {
      for j in 0..<inputs { system[i, j] /= scales[i] * scales[j] }
      for j in 0..<outputs { start[i, j] *= scales[i] }
    }
    let target = Matrix<Double>(rows: inputs, columns: outputs)
    multiply(system, start, into: target)
    for i in 0..<inputs { system[i, i] += 1 }
    let factor = try CholeskyFactor(factorising: system)
    let (z, u) = (start.copy(), Matrix<Double>(rows: inputs, columns: outputs))
    for _ in 0..<iterations {
      let w = target.copy()
      for i in 0..<inputs { for j in 0..<outputs { w[i, j] += z[i, j] - u[i, j] } }
      factor.solveLower(w)
      factor.solveLowerTransposed(w)
      for i in 0..<inputs {
        for j in 0..<outputs {
          z[i, j] = i < kept ? w[i, j] + u[i, j] : 0
          u[i, j] += w[i, j] - z[i, j]
        }
      }
    }
    for i in 0..<inputs { for j in 0..<outputs { z[i, j] /= scales[i] } }
    return z
  }

  @Test(arguments: [1, 4, 7, 9])
  func convergesToTheClosedForm(kept: Int) throws {
    var random = SeededGenerator(seed: 21)
    func matrix(_ rows: Int, _ columns: Int) -> Matrix<Float> {
      Matrix((0..<rows * columns).map { _ in Float(2 * random.unit() - 1) }, rows: rows, columns: columns)
    }
    let (x, weight) = (matrix(60, inputs), matrix(outputs, inputs))
    let gram = Matrix<Float>(rows: inputs, columns: inputs)
    multiply(x, x, transposingA: true, scale: 1 / 60, into: gram)
    let transposed = Matrix<Double>(rows: inputs, columns: outputs)
    for i in 0..<inputs { for j in 0..<outputs { transposed[i, j] = Double(weight[j, i]) } }
    let closed = try NestedReformation(gram: gram, weight: weight, order: Array(0..<inputs), damping: 1e-9)
      .weight(keeping: kept)
    func distance(_ iterations: Int) throws -> Double {
      let found = try admm(gram.widened(), transposed, keeping: kept, iterations: iterations)
      return (0..<kept).reduce(0) { worst, i in
        (0..<outputs).reduce(worst) { max($0, abs(found[i, $1] - Double(closed[$1, i]))) }
      }
    }
    #expect(try distance(300) < 1e-5)
    // After one iteration it is not there yet, so the comparison means something.
    #expect(try distance(1) > 1e-3)
  }
}
