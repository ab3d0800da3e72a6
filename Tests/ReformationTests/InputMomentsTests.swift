import LanguageModels
import LinearAlgebra
import Testing

@testable import Reformation

@Suite struct InputMomentsTests {
  private static func random(_ rows: Int, _ columns: Int, _ generator: inout SeededGenerator) -> Matrix<Float> {
    Matrix((0..<rows * columns).map { _ in Float(generator.unit()) * 2 - 1 }, rows: rows, columns: columns)
  }

  /// The moments give the corrections and the errors that products token by token give.
  @Test func agreeWithTheTokensThemselves() throws {
    var generator = SeededGenerator(seed: 5, stream: 0)
    let inputs = Self.random(300, 24, &generator)
    let difference = Self.random(300, 24, &generator)
    let projection = Linear(weight: Self.random(40, 24, &generator))
    let remaining = Matrix<Float>(rows: 300, columns: 40)
    projection.apply(difference, into: remaining)
    let direct = ProjectionProblem(inputs: inputs, remaining: remaining)
    let problem = try InputMoments(inputs: inputs, difference: difference).problem(projection)
    #expect(abs(problem.error(nil) / direct.error(nil) - 1) < 1e-5)
    for damping in [0.01, 1] {
      let change = try #require(problem.normalEquations(bias: false).solve(damping: damping, on: CPUEngine()))
      let expected = try #require(direct.normalEquations(bias: false).solve(damping: damping, on: CPUEngine()))
      let largest = expected.weight.elements.map(abs).max() ?? 0
      #expect(zip(change.weight.elements, expected.weight.elements).allSatisfy { abs($0 - $1) < 1e-4 * largest })
      #expect(abs(problem.error(change) / direct.error(change) - 1) < 1e-5)
      #expect(problem.error(change) < problem.error(nil))
    }
  }
}
