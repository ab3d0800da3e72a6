import LinearAlgebra
import Testing

@testable import Reformation

/// The closed form against a direct solution in double precision that shares no code with it.
@Suite struct NestedReformationTests {
  private let inputs = 12
  private let outputs = 7
  /// Correlated activations, shape `[tokens, inputs]`.
  private let x: Matrix<Float>
  private let weight: Matrix<Float>
  private let gram: Matrix<Float>
  private let order = [5, 0, 11, 3, 8, 1, 10, 2, 9, 4, 7, 6]

  init() {
    let mixing = Matrix<Float>.random(12, 12, seed: 1)
    for i in 0..<12 { mixing[i, i] += 1 }
    x = Matrix(rows: 60, columns: 12)
    multiply(.random(60, 12, seed: 2), mixing, into: x)
    weight = .random(7, 12, seed: 3)
    gram = Matrix(rows: 12, columns: 12)
    multiply(x, x, transposingA: true, scale: 1 / 60, into: gram)
  }

  /// `A⁻¹·b` by Gaussian elimination with pivoting.
  private func solve(_ matrix: [[Double]], _ right: [Double]) -> [Double] {
    var a = matrix.indices.map { matrix[$0] + [right[$0]] }
    for column in a.indices {
      let pivot = (column..<a.count).max { abs(a[$0][column]) < abs(a[$1][column]) } ?? column
      a.swapAt(column, pivot)
      for row in a.indices where row != column {
        let factor = a[row][column] / a[column][column]
        for j in column...a.count { a[row][j] -= factor * a[column][j] }
      }
    }
    return a.indices.map { a[$0][a.count] / a[$0][$0] }
  }

  private func damped(_ damping: Double) -> [[Double]] {
    let lambda = damping * (0..<inputs).reduce(0) { $0 + Double(gram[$1, $1]) } / Double(inputs)
    return order.enumerated().map { i, row in
      order.enumerated().map { j, column in Double(gram[row, column]) + (i == j ? lambda : 0) }
    }
  }

  /// The weights that keep the first `width` inputs, by the normal equations of one output after another.
  private func direct(_ width: Int, _ damping: Double) -> [[Double]] {
    let h = damped(damping)
    return (0..<outputs).map { output in
      let right = (0..<width).map { i in
        order.indices.reduce(0) { $0 + h[i][$1] * Double(weight[output, order[$1]]) }
      }
      return width == 0 ? [] : solve((0..<width).map { Array(h[$0].prefix(width)) }, right)
    }
  }

  /// `E‖Ŵx[:s] − Wx‖² + λ‖[Ŵ, 0] − W‖²`, measured.
  private func error(_ solution: [[Double]], _ damping: Double) -> Double {
    let lambda = damping * (0..<inputs).reduce(0) { $0 + Double(gram[$1, $1]) } / Double(inputs)
    var total = 0.0
    for output in 0..<outputs {
      let change = order.enumerated().map { i, input in
        (i < solution[output].count ? solution[output][i] : 0) - Double(weight[output, input])
      }
      for token in 0..<x.rows {
        let difference = order.indices.reduce(0) { $0 + change[$1] * Double(x[token, order[$1]]) }
        total += difference * difference / Double(x.rows)
      }
      total += lambda * change.reduce(0) { $0 + $1 * $1 }
    }
    return total
  }

  private func rows(_ matrix: Matrix<Float>) -> [[Double]] {
    (0..<matrix.rows).map { i in (0..<matrix.columns).map { Double(matrix[i, $0]) } }
  }

  @Test(arguments: [0, 1e-4, 0.01, 1])
  func everyWidthSolvesItsNormalEquations(damping: Double) throws {
    let reformation = try NestedReformation(gram: gram, weight: weight, order: order, damping: damping)
    #expect(reformation.inputs == inputs && reformation.errors.count == inputs + 1)
    for width in 0...inputs {
      let found = reformation.weight(keeping: width)
      #expect(found.rows == outputs && found.columns == width)
      let exact = direct(width, damping)
      for (a, b) in zip(rows(found), exact) {
        for (x, y) in zip(a, b) { #expect(abs(x - y) <= 1e-5 * max(1, abs(y)), "width \(width)") }
      }
      let measured = error(exact, damping)
      #expect(abs(reformation.errors[width] - measured) <= 1e-5 * reformation.errors[0], "width \(width)")
    }
  }

  /// The normal equations of `E‖Ŵ x[:s] − (W x + r)‖² + λ‖Ŵ − W[:, :s]‖²`, solved for one output after another.
  @Test(arguments: [0, 1e-4, 0.01, 1])
  func whatTheOutputLacksIsMadeUpForAtEveryWidth(damping: Double) throws {
    let remaining = Matrix<Float>.random(60, 7, seed: 4)
    let lacking = Matrix<Float>(rows: 12, columns: 7)
    multiply(x, remaining, transposingA: true, scale: 1 / 60, into: lacking)
    let reformation = try NestedReformation(
      gram: gram, weight: weight, order: order, damping: damping, lacking: lacking)
    let h = damped(damping)
    func exact(_ width: Int) -> [[Double]] {
      (0..<outputs).map { output in
        let right = (0..<width).map { i in
          Double(lacking[order[i], output])
            + order.indices.reduce(0) { $0 + h[i][$1] * Double(weight[output, order[$1]]) }
        }
        return width == 0 ? [] : solve((0..<width).map { Array(h[$0].prefix(width)) }, right)
      }
    }
    /// What is minimised, measured, with what outputs lack.
    func error(_ solution: [[Double]]) -> Double {
      let lambda = h[0][0] - Double(gram[order[0], order[0]])
      var total = 0.0
      for output in 0..<outputs {
        let change = order.enumerated().map { i, input in
          (i < solution[output].count ? solution[output][i] : 0) - Double(weight[output, input])
        }
        for token in 0..<x.rows {
          let sum = order.indices.reduce(0) { $0 + change[$1] * Double(x[token, order[$1]]) }
          let difference = sum - Double(remaining[token, output])
          total += difference * difference / Double(x.rows)
        }
        total += lambda * change.reduce(0) { $0 + $1 * $1 }
      }
      return total
    }
    let least = error(exact(inputs))
    for width in 0...inputs {
      let (found, wanted) = (reformation.weight(keeping: width), exact(width))
      for (a, b) in zip(rows(found), wanted) {
        for (x, y) in zip(a, b) { #expect(abs(x - y) <= 2e-5 * max(1, abs(y)), "width \(width)") }
      }
      let measured = error(wanted) - least
      #expect(abs(reformation.errors[width] - measured) <= 1e-5 * reformation.errors[0], "width \(width)")
    }
    #expect(distance(reformation.weight(keeping: inputs), weight.gatherColumns(order)) > 0.01)
  }

  @Test func nothingLackingChangesNothing() throws {
    let plain = try NestedReformation(gram: gram, weight: weight, order: order, damping: 0.01)
    let zero = try NestedReformation(
      gram: gram, weight: weight, order: order, damping: 0.01, lacking: Matrix(rows: 12, columns: 7))
    #expect(plain.errors == zero.errors)
    #expect(plain.weight(keeping: 5).elements == zero.weight(keeping: 5).elements)
  }

  @Test func errorsFallToZero() throws {
    let errors = try NestedReformation(gram: gram, weight: weight, order: order, damping: 0.01).errors
    #expect(zip(errors, errors.dropFirst()).allSatisfy { $0 > $1 })
    #expect(errors[inputs] == 0)
    // Nothing kept: the energy of the projection's output and of the weight.
    #expect(abs(errors[0] / error(Array(repeating: [], count: outputs), 0.01) - 1) < 1e-5)
  }

  @Test func wholeWidthIsTheInheritedWeight() throws {
    for damping in [0, 0.01, 100] {
      let reformation = try NestedReformation(gram: gram, weight: weight, order: order, damping: damping)
      #expect(distance(reformation.weight(keeping: inputs), weight.gatherColumns(order)) < 2e-6)
    }
  }

  /// The repair never is worse than leaving the columns as they are.
  @Test func repairIsBetterThanNone() throws {
    for damping in [0, 1e-3, 0.1] {
      let reformation = try NestedReformation(gram: gram, weight: weight, order: order, damping: damping)
      for width in 1..<inputs {
        let repaired = error(rows(reformation.weight(keeping: width)), damping)
        let unrepaired = error(rows(weight.gatherColumns(Array(order.prefix(width)))), damping)
        #expect(repaired < unrepaired)
        // And it is a minimum: a small change of any column makes it worse.
        var moved = rows(reformation.weight(keeping: width))
        moved[width % outputs][0] += 0.01
        #expect(error(moved, damping) > repaired)
      }
    }
  }

  @Test func strongDampingKeepsTheInheritedColumns() throws {
    let reformation = try NestedReformation(gram: gram, weight: weight, order: order, damping: 1e7)
    for width in [1, 5, 11] {
      let inherited = weight.gatherColumns(Array(order.prefix(width)))
      #expect(distance(reformation.weight(keeping: width), inherited) < 1e-5)
    }
  }

  @Test func weakDampingTendsToPlainLeastSquares() throws {
    let plain = try NestedReformation(gram: gram, weight: weight, order: order, damping: 0)
    let weak = try NestedReformation(gram: gram, weight: weight, order: order, damping: 1e-9)
    let strong = try NestedReformation(gram: gram, weight: weight, order: order, damping: 0.1)
    #expect(distance(plain.weight(keeping: 6), weak.weight(keeping: 6)) < 1e-5)
    #expect(distance(plain.weight(keeping: 6), strong.weight(keeping: 6)) > 1e-3)
  }

  /// An input that is a sum of kept ones is replaced without error. The damping stands above the rounding of a
  /// single-precision Gram matrix, which alone may make it indefinite.
  @Test func redundantInputsCostNothing() throws {
    let copies = x.copy()
    for token in 0..<copies.rows { copies[token, 6] = 2 * copies[token, 5] - copies[token, 0] }
    let gram = Matrix<Float>(rows: 12, columns: 12)
    multiply(copies, copies, transposingA: true, scale: 1 / 60, into: gram)
    let reformation = try NestedReformation(gram: gram, weight: weight, order: order, damping: 1e-5)
    #expect(reformation.errors[11] < 1e-3 * reformation.errors[10])
    let found = reformation.weight(keeping: 11)
    for output in 0..<outputs {
      #expect(abs(found[output, 0] - weight[output, 5] - 2 * weight[output, 6]) < 1e-2)
      #expect(abs(found[output, 1] - weight[output, 0] + weight[output, 6]) < 1e-2)
    }
  }

  @Test func inputsThatAreAlwaysZeroKeepTheirWeights() throws {
    let nothing = Matrix<Float>(rows: 12, columns: 12)
    let reformation = try NestedReformation(gram: nothing, weight: weight, order: order, damping: 0.01)
    #expect(distance(reformation.weight(keeping: 4), weight.gatherColumns(Array(order.prefix(4)))) < 1e-6)
  }

  @Test func noInputsAtAllAreNoError() throws {
    let reformation = try NestedReformation(
      gram: Matrix(rows: 0, columns: 0), weight: Matrix(rows: 7, columns: 0), order: [], damping: 0.01)
    #expect(reformation.errors == [0])
    #expect(reformation.weight(keeping: 0).rows == 7)
  }

  @Test func singularGramIsAnErrorWithoutDamping() throws {
    let singular = gram.copy()
    for i in 0..<12 {
      singular[i, 3] = 0
      singular[3, i] = 0
    }
    #expect(throws: ReformationError.singular(damping: 0)) {
      try NestedReformation(gram: singular, weight: weight, order: order, damping: 0)
    }
    #expect(ReformationError.singular(damping: 0).description.contains("more tokens"))
    _ = try NestedReformation(gram: singular, weight: weight, order: order, damping: 1e-6)
  }

  @Test func statisticsThatAreNotFiniteAreErrors() throws {
    for value in [Float.nan, .infinity] {
      for (row, column) in [(0, 0), (4, 4), (2, 9)] {
        let broken = gram.copy()
        broken[row, column] = value
        broken[column, row] = value
        #expect(throws: ReformationError.notFinite, "\(value) at \(row), \(column)") {
          try NestedReformation(gram: broken, weight: weight, order: order, damping: 0.01)
        }
      }
    }
  }
}
