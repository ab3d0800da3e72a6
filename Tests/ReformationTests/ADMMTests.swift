import LinearAlgebra
import Testing

@testable import Reformation

/// search-llm's iteration as an oracle for the closed form.
@Suite struct ADMMTests {
  private let inputs = 10
  private let outputs = 6

  @Test(arguments: [1, 4, 7, 9])
  func convergesToTheClosedForm(kept: Int) throws {
    var random = SeededGenerator(seed: 21)
    func matrix(_ rows: Int, _ columns: Int) -> Matrix<Float> {
      Matrix((0..<rows * columns).map { _ in Float(2 * random.unit() - 1) }, rows: rows, columns: columns)
    }
    let (x, weight) = (matrix(60, inputs), matrix(outputs, inputs))
    let gram = Matrix<Float>(rows: inputs, columns: inputs)
    multiply(x, x, transposingA: true, scale: 1 / 60, into: gram)
    let order = Array(0..<inputs).shuffled(using: &random)
    let closed = try NestedReformation(gram: gram, weight: weight, order: order, damping: 1e-9)
      .weight(keeping: kept)
    func distance(_ iterations: Int) throws -> Double {
      let found = try ADMMReformation(gram: gram, weight: weight, order: order, iterations: iterations)
        .weight(keeping: kept)
      return zip(found.elements, closed.elements).reduce(0) { max($0, Double(abs($1.0 - $1.1))) }
    }
    #expect(try distance(300) < 1e-5)
    // After one iteration it is not there yet, so the comparison means something.
    #expect(try distance(1) > 1e-3)
  }

  @Test func inputsThatAreAlwaysZeroDoNoHarm() throws {
    let gram = Matrix<Float>([1, 0, 0, 0], rows: 2, columns: 2)
    let weight = Matrix<Float>([3, 5], rows: 1, columns: 2)
    let found = try ADMMReformation(gram: gram, weight: weight, order: [0, 1]).weight(keeping: 1)
    #expect(abs(found[0, 0] - 3) < 1e-4)
  }
}
