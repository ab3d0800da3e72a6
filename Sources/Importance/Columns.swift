import LanguageModels
import LinearAlgebra

extension ScoredLayer {
  /// The weight by which a module's units reach the residual stream, shape `[hidden, inputs]`.
  ///
  /// It is that of the output or down projection, the biases of experts among its columns. If a norm stands behind
  /// the projection, the statistics hold the inputs divided by what the norm divides by, and the gains are what is
  /// left of it: each row is multiplied by its gain.
  func weightToStream(_ module: LayerPart.Module) -> Matrix<Float> {
    let (weight, gain) = (weights[toStream: module].weight, weights[gain: module.postNorm])
    if gain.isEmpty { return weight }
    let result = weight.copy()
    for (i, factor) in gain.enumerated() { Kernels.scale(result.row(i), by: factor, count: result.columns) }
    return result
  }
}

/// `Σ_i |W[i,j]|` for every column `j`.
func columnMagnitudes(of weight: Matrix<Float>) -> [Float] {
  let sums = Matrix<Float>(rows: 1, columns: weight.columns)
  for i in 0..<weight.rows { Kernels.addMagnitudes(weight.row(i), to: sums.pointer, count: weight.columns) }
  return sums.elements
}

/// `Σ_j |W[i,j]|` for every row `i`.
func rowMagnitudes(of weight: Matrix<Float>) -> [Float] {
  (0..<weight.rows).map { i in
    let row = weight.row(i)
    return (0..<weight.columns).reduce(0) { $0 + abs(row[$1]) }
  }
}

/// `Σ_i W[i,j]²` for every column `j`.
func columnEnergies(of weight: Matrix<Float>) -> [Float] {
  let sums = Matrix<Float>(rows: 1, columns: weight.columns)
  for i in 0..<weight.rows {
    let row = weight.row(i)
    for j in 0..<weight.columns { sums.pointer[j] += row[j] * row[j] }
  }
  return sums.elements
}

/// `Σ_j W[i,j]²·factor[j]` for every row `i`; a missing factor is 1.
func rowEnergies(of weight: Matrix<Float>, scaledBy factors: [Float]? = nil) -> [Float] {
  (0..<weight.rows).map { i in
    let row = weight.row(i)
    guard let factors else { return Kernels.dot(row, row, count: weight.columns) }
    return (0..<weight.columns).reduce(0) { $0 + row[$1] * row[$1] * factors[$1] }
  }
}

/// The sum of all squares.
func energy(_ matrix: Matrix<Double>) -> Double {
  (0..<matrix.rows).reduce(0) { sum, i in
    let row = matrix.row(i)
    return (0..<matrix.columns).reduce(sum) { $0 + row[$1] * row[$1] }
  }
}

/// `Σ A ∘ B`.
func inner(_ a: Matrix<Double>, _ b: Matrix<Double>) -> Double {
  (0..<a.rows).reduce(0) { sum, i in
    let (x, y) = (a.row(i), b.row(i))
    return (0..<a.columns).reduce(sum) { $0 + x[$1] * y[$1] }
  }
}
