import Importance
import LanguageModels
import LinearAlgebra

/// The errors of a mixture of experts that keeps the first experts of a ranking.
///
/// The kept experts keep their weights: which tokens they get depends on which experts are kept, so that no statistics
/// of the whole mixture tell what they should make up for. `SequentialReformation` fits them to the tokens that they do
/// get.
struct ExpertSelection: Sendable {
  let layer: ScoredLayer
  /// Experts from the first to the last kept.
  let order: [Int]

  /// The errors of all numbers of experts, from none to all: those of the experts left out, added up. With moments in
  /// nats, as `NestedReformation.lossErrors`.
  func errors(_ moments: Matrix<Float>?) -> [Double] {
    let errors = layer.expertErrors(moments)
    return Self.tails(order.map { moments == nil ? errors[$0] : errors[$0] / 2 })
  }

  /// The terms of experts left out in the loss of tokens: `z = Σ x_e·D_eᵀ·g` over them, shape `[tokens, widths]`.
  ///
  /// - Parameter widths: numbers of experts, ascending.
  func lossTerms(_ tokens: BackwardPass.ModuleTokens, keeping widths: [Int]) -> Matrix<Float> {
    let width = tokens.weights.activationsPerUnit
    let columns = order.flatMap { $0 * width..<($0 + 1) * width }
    let weight = tokens.weights[toStream: .mlp].weight
    return LossTerms.inBlocks(tokens.inputs, tokens.gradients, keeping: widths.map { $0 * width }) {
      inputs, gradients in
      let beta = Matrix<Float>(uninitialized: gradients.rows, columns: weight.columns)
      multiply(gradients, weight, into: beta)
      return (inputs.gatherColumns(columns), beta.gatherColumns(columns))
    }
  }

  private static func tails(_ errors: [Double]) -> [Double] {
    var tails = Array(repeating: 0.0, count: errors.count + 1)
    for place in errors.indices.reversed() { tails[place] = tails[place + 1] + max(0, errors[place]) }
    return tails
  }
}
