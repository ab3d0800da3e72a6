import LanguageModels
import LinearAlgebra
import Testing

/// What the statistics are compared with: loops in double precision over all tokens.
extension StatisticsTests {
  func expectClose(
    _ found: [Float], _ expected: [Double], relative: Double, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let scale = expected.reduce(0) { max($0, abs($1)) }
    #expect(found.count == expected.count, sourceLocation: sourceLocation)
    let worst = zip(found, expected).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
    #expect(worst <= relative * scale, sourceLocation: sourceLocation)
  }

  func normed(_ x: Matrix<Float>, _ gain: [Float], _ configuration: ModelConfiguration) -> Matrix<Float> {
    // Without a norm the token's own size all the same.
    let gain = gain.isEmpty ? Array(repeating: 1, count: x.columns) : gain
    let result = Matrix<Float>(rows: x.rows, columns: x.columns)
    for i in 0..<x.rows {
      Kernels.rmsNorm(x.row(i), gain: gain, epsilon: configuration.normEpsilon, into: result.row(i), count: x.columns)
    }
    return result
  }

  struct Moments {
    var gram: [Double]
    var magnitude: [Double]
    var mean: [Double]
    /// The mean squared distance from the mean.
    var variance: [Double]
    var weight = 0.0
  }

  /// The means of `s² x xᵀ`, `|s x|`, `s²` and the weighted mean of `x` over the rows, by loops in double precision.
  ///
  /// - Parameter factors: `s` of each row; `nil` for 1.
  func moments(_ x: Matrix<Float>, _ factors: [Double]? = nil) -> Moments {
    let zeros = Array(repeating: 0.0, count: x.columns)
    var found = Moments(
      gram: Array(repeating: 0.0, count: x.columns * x.columns), magnitude: zeros, mean: zeros, variance: zeros)
    let count = Double(x.rows)
    for t in 0..<x.rows {
      let (row, factor) = (x.row(t), factors?[t] ?? 1)
      found.weight += factor * factor / count
      for i in 0..<x.columns {
        let value = factor * Double(row[i])
        found.magnitude[i] += abs(value) / count
        found.mean[i] += factor * value / count
        for j in 0..<x.columns { found.gram[i * x.columns + j] += value * factor * Double(row[j]) / count }
      }
    }
    for i in zeros.indices { found.mean[i] /= found.weight }
    for t in 0..<x.rows {
      let factor = factors?[t] ?? 1
      for i in zeros.indices {
        let distance = factor * (Double(x[t, i]) - found.mean[i])
        found.variance[i] += distance * distance / count
      }
    }
    return found
  }

  /// One over the root mean square of each row of a projection's outputs, if a norm divides by it.
  func factors(_ projection: Linear, _ gain: [Float], of x: Matrix<Float>, _ epsilon: Float) -> [Double]? {
    if gain.isEmpty { return nil }
    return (0..<x.rows).map { token in
      let square = (0..<projection.outputs).reduce(0.0) { sum, i in
        let output = (0..<x.columns).reduce(Double(projection.bias?[i] ?? 0)) {
          $0 + Double(projection.weight[i, $1]) * Double(x[token, $1])
        }
        return sum + output * output
      }
      return 1 / (square / Double(projection.outputs) + Double(epsilon)).squareRoot()
    }
  }

  /// The mean share of each head in the square of a token's outputs.
  func headShares(of projection: Linear, _ x: Matrix<Float>, _ dimension: Int) -> [Double] {
    var shares = Array(repeating: 0.0, count: projection.outputs / dimension)
    for token in 0..<x.rows {
      let squares = (0..<projection.outputs).map { i in
        let output = (0..<x.columns).reduce(Double(projection.bias?[i] ?? 0)) {
          $0 + Double(projection.weight[i, $1]) * Double(x[token, $1])
        }
        return output * output
      }
      let all = squares.reduce(0, +) * Double(x.rows)
      for i in squares.indices { shares[i / dimension] += squares[i] / all }
    }
    return shares
  }

  /// The harmonic mean of the squared lengths of the rows.
  func energy(_ x: Matrix<Float>) -> Double {
    let inverses = (0..<x.rows).map { token in
      1 / (0..<x.columns).reduce(0.0) { $0 + Double(x[token, $1]) * Double(x[token, $1]) }
    }
    return Double(x.rows) / inverses.reduce(0, +)
  }
}
