import Evaluation
import LanguageModels
import LinearAlgebra
import Runtime

/// The gradient of the divergence with respect to all weights of a network, and the mean square of that of a batch.
///
/// One layer is in memory at a time if not all fit `MemoryPlan.trained`.
struct GradientSum {
  private let layouts: [ParameterLayout]
  /// Shape `[2, numbers]` for each layer: sums of gradients and of their squares.
  private let sums: MatrixStore

  /// - Parameters:
  ///   - reference: the dense model; all of its windows are used.
  ///   - batchTokens: tokens of a batch, at most; one window at least.
  init(_ network: some Network, toward reference: DenseReference, batchTokens: Int, _ monitor: Monitor) throws {
    let configuration = network.configuration
    let sums = try MatrixStore(
      bytes: 2 * configuration.blockParameters * MemoryLayout<Float>.size, within: network.memory)
    var layouts: [ParameterLayout] = []
    for index in configuration.layers.indices {
      layouts.append(ParameterLayout(of: try network.layer(index)))
      try sums.append(Matrix(rows: 2, columns: layouts[index].count))
    }
    let windows = reference.windows
    let groups = windows.groups(ofTokens: batchTokens)
    for (number, group) in groups.enumerated() {
      try monitor.advance(.init(.lossGradients), number, of: groups.count)
      let batch = Array(group)
      _ = try BackwardPass(windows.selecting(batch), scratch: network.memory.scratch).run(
        network, seed: { _ = try reference.gradient(at: $0, windows: batch, into: $1) },
        visit: { layer in
          guard let gradients = layer.gradients else { return }
          try sums.change(layer.index) { sum in
            layouts[layer.index].forEach(gradients) { start, gradient in
              Kernels.add(gradient.pointer, to: sum.row(0) + start, count: gradient.count)
              Kernels.addSquares(gradient.pointer, 1, to: sum.row(1) + start, count: gradient.count)
            }
          }
        })
    }
    (self.layouts, self.sums) = (layouts, sums)
  }

  /// `−Σ gradients / √Σ squares` of a layer's weights: where every number moves as far as its gradient is certain.
  func descent(_ index: Int) throws -> LayerWeights {
    let sum = try sums.matrix(index)
    let move = Matrix<Float>(rows: 1, columns: sum.columns)
    Kernels.adam(
      move.pointer, moments: (sum.row(0), sum.row(1)), gradient: move.copy().pointer, betas: (1, 1), rate: 1, root: 1,
      epsilon: .leastNormalMagnitude, count: sum.columns)
    return layouts[index].weights(in: move)
  }
}
