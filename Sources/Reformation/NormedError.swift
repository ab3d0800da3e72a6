import LanguageModels
import LinearAlgebra

/// The error of a projection behind the norm that follows it, as it is and not to first order.
///
/// A large change leaves the range in which the norm is nearly linear. So least squares is solved at the norm's input,
/// and judged here.
struct NormedError: Judge {
  /// The distance of the stream from its goal without the module, shape `[tokens, hidden]`.
  let distance: Matrix<Float>
  /// Inputs of the projection, shape `[tokens, inputs]`.
  let inputs: Matrix<Float>
  let projection: Linear
  let gain: [Float]
  let epsilon: Float
  /// The weight of each token's error, before it is squared.
  let weights: [Float]

  func error(_ change: ProjectionProblem.Change?) -> Double {
    let output = Matrix<Float>(rows: distance.rows, columns: distance.columns)
    projection.apply(inputs, into: output)
    if let change { Linear(weight: change.weight, bias: change.bias).apply(inputs, into: output, accumulating: true) }
    let sum = (0..<output.rows).reduce(0.0) { sum, i in
      let row = output.row(i)
      Kernels.rmsNorm(row, gain: gain, epsilon: epsilon, into: row, count: output.columns)
      Kernels.addScaled(distance.row(i), -1, to: row, count: output.columns)
      return sum + Double(weights[i] * weights[i] * Kernels.dot(row, row, count: output.columns))
    }
    return sum / Double(max(1, output.rows))
  }
}
