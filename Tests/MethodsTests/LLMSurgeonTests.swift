import LinearAlgebra
import Testing
import Workbench

@testable import LanguageModels
@testable import Methods

@Suite struct LLMSurgeonTests {
  /// `F = G ⊗ A` written out: the least of `½ vᵀ F v` over changes `v` of all weights that make some columns zero.
  private static func explicit(
    _ weight: Matrix<Float>, inputs: Matrix<Double>, gradients: Matrix<Double>, removing out: [Int]
  ) throws -> (cost: Double, weight: Matrix<Double>) {
    let (rows, columns) = (weight.rows, weight.columns)
    let fisher = Matrix<Double>(rows: rows * columns, columns: rows * columns)
    for i in 0..<fisher.rows {
      for j in 0..<fisher.columns {
        fisher[i, j] = gradients[i / columns, j / columns] * inputs[i % columns, j % columns]
      }
    }
    // v is given where a column goes; elsewhere F_kk·v_k = −F_kr·v_r.
    let all = Array(0..<fisher.rows)
    let (gone, kept) = (all.filter { out.contains($0 % columns) }, all.filter { !out.contains($0 % columns) })
    let lost = Matrix(gone.map { -Double(weight[$0 / columns, $0 % columns]) }, rows: gone.count, columns: 1)
    let change = Matrix<Double>(rows: kept.count, columns: 1)
    multiply(fisher.gatherRows(kept).gatherColumns(gone), lost, scale: -1, into: change)
    let factor = try CholeskyFactor(factorising: fisher.gatherRows(kept).gatherColumns(kept))
    factor.solveLower(change)
    factor.solveLowerTransposed(change)
    let v = Matrix<Double>(rows: fisher.rows, columns: 1)
    for (place, index) in gone.enumerated() { v[index, 0] = lost[place, 0] }
    for (place, index) in kept.enumerated() { v[index, 0] = change[place, 0] }
    let reached = Matrix<Double>(rows: fisher.rows, columns: 1)
    multiply(fisher, v, into: reached)
    let cost = (0..<fisher.rows).reduce(0) { $0 + v[$1, 0] * reached[$1, 0] } / 2
    let result = weight.widened()
    for i in all { result[i / columns, i % columns] += v[i, 0] }
    return (cost, result)
  }

  @Test(arguments: [1, 2])
  func oneShotIsTheExplicitSolutionOfSecondOrder(width: Int) throws {
    let (problem, damping) = (Problem(inputs: 6, outputs: 4), 0.05)
    let gradients = Problem(inputs: 4, outputs: 1, seed: 9).gram
    let columns = try KroneckerColumns(problem.weight, inputs: problem.gram, damping: damping)
    let costs = try columns.costs(gradients: gradients, width: width)
    #expect(costs.count == 6 / width)
    for unit in costs.indices {
      let out = Array(unit * width..<(unit + 1) * width)
      let wanted = try Self.explicit(
        problem.weight, inputs: problem.gram.damped(damping), gradients: gradients.widened(), removing: out)
      #expect(abs(costs[unit] / wanted.cost - 1) < 1e-5)
      let kept = (0..<6).filter { !out.contains($0) }
      let made = try columns.removing(allBut: kept)
      let expected = wanted.weight.gatherColumns(kept)
      for (a, b) in zip(made.elements, expected.elements) { #expect(abs(Double(a) - b) < 1e-5) }
    }
  }

  /// Several columns at once: not the sum of one after the other.
  @Test func removesTogether() throws {
    let problem = Problem(inputs: 7, outputs: 3, seed: 4)
    let gradients = Problem(inputs: 3, outputs: 1, seed: 5).gram
    let made = try KroneckerColumns(problem.weight, inputs: problem.gram, damping: 0.01).removing(allBut: [1, 2, 5])
    let wanted = try Self.explicit(
      problem.weight, inputs: problem.gram.damped(0.01), gradients: gradients.widened(), removing: [0, 3, 4, 6])
    for (a, b) in zip(made.elements, wanted.weight.gatherColumns([1, 2, 5]).elements) {
      #expect(abs(Double(a) - b) < 1e-4)
    }
  }

  /// Curvature that is taken again sees what earlier shots did.
  @Test func shotsLookAgain() throws {
    let tiny = try TinyBench()
    let (one, more) = (
      try tiny.prune("llm-surgeon", keep: 0.6, "shots=1", "samples=16"),
      try tiny.prune("llm-surgeon", keep: 0.6, "shots=4", "samples=16")
    )
    #expect(one.decisions["shots"] == "1" && more.decisions["shots"] == "4")
    #expect(one.units != more.units)
    // The update is that of the kept columns: an inherited subnet of the same units has other weights, and diverges more.
    let bench = try tiny.bench()
    #expect(try bench.divergence(of: one.network) < bench.divergence(of: bench.inherited(one.units)))
  }
}
