import LanguageModels
import LinearAlgebra

/// Sums over tokens for the experts of an MLP, each over the tokens that use it.
final class ExpertAccumulator {
  /// Sums of `x xᵀ` of the experts' activations, one below the other, shape `[experts·a, a]`; upper triangles.
  let grams: Matrix<Float>
  /// Sums of `|x|` and `x`, shape `[1, experts·a]`.
  let magnitude: Matrix<Float>
  let mean: Matrix<Float>
  /// The tokens that use an expert, and the sum of the lengths of its outputs; means after `average`.
  private(set) var use: [Float]
  private(set) var lengths: [Float]

  /// - Parameter width: activations `a` of an expert.
  init(width: Int, count: Int) {
    grams = Matrix(rows: count * width, columns: width)
    magnitude = Matrix(rows: 1, columns: count * width)
    mean = Matrix(rows: 1, columns: count * width)
    use = Array(repeating: 0, count: count)
    lengths = use
  }

  var count: Int { use.count }

  func gram(of expert: Int) -> Matrix<Float> {
    grams.rows(expert * grams.columns..<(expert + 1) * grams.columns)
  }

  func add(_ x: Matrix<Float>, of expert: Int, _ engine: any Engine) {
    engine.addGram(of: x, to: gram(of: expert))
    use[expert] += Float(x.rows)
    let first = expert * grams.columns
    for i in 0..<x.rows {
      Kernels.addMagnitudes(x.row(i), to: magnitude.pointer + first, count: x.columns)
      Kernels.add(x.row(i), to: mean.pointer + first, count: x.columns)
    }
  }

  func add(outputs: Matrix<Float>, of expert: Int) {
    for i in 0..<outputs.rows {
      lengths[expert] += Kernels.dot(outputs.row(i), outputs.row(i), count: outputs.columns).squareRoot()
    }
  }

  func clear() {
    for sum in [grams, magnitude, mean] { sum.fill(0) }
    use = use.map { _ in 0 }
    lengths = use
  }

  /// All but the Gram matrices.
  func merge(_ other: ExpertAccumulator) {
    Kernels.add(other.magnitude.pointer, to: magnitude.pointer, count: magnitude.count)
    Kernels.add(other.mean.pointer, to: mean.pointer, count: mean.count)
    use = zip(use, other.use).map(+)
    lengths = zip(lengths, other.lengths).map(+)
  }

  /// All but the Gram matrices.
  func average(over tokens: Int) {
    for sum in [magnitude, mean] { Kernels.scale(sum.pointer, by: 1 / Float(tokens), count: sum.count) }
    use = use.map { $0 / Float(tokens) }
    lengths = lengths.map { $0 / Float(tokens) }
  }
}
