import LanguageModels
import LinearAlgebra
import Runtime

/// A network in training: weights of its own, in single precision, and what the optimiser remembers of each.
///
/// Embedding and head stay those of the network that it was made of. What does not fit `MemoryPlan.trained` lies on disk, a
/// layer at a time in memory.
final class TrainedNetwork: Network, @unchecked Sendable {
  private let base: any Network
  private let layouts: [ParameterLayout]
  private let states: MatrixStore
  /// Shape `[3, hidden]`, as a layer's.
  private let normState: Matrix<Float>
  private var adam = Adam()

  let configuration: ModelConfiguration
  var embedding: Matrix<Float> { base.embedding }
  var head: Matrix<Float> { base.head }
  var engine: any Engine { base.engine }
  var memory: MemoryPlan { base.memory }

  init(_ base: some Network) throws {
    self.base = base
    configuration = base.configuration
    var layouts: [ParameterLayout] = []
    states = try MatrixStore(bytes: 3 * configuration.blockParameters * MemoryLayout<Float>.size, within: base.memory)
    for index in configuration.layers.indices {
      let weights = try base.layer(index)
      let layout = ParameterLayout(of: weights)
      let state = Matrix<Float>(rows: 3, columns: layout.count)
      layout.write(weights, to: state.rows(0..<1))
      try states.append(state)
      layouts.append(layout)
    }
    self.layouts = layouts
    normState = Matrix(rows: 3, columns: base.finalNorm.count)
    normState.rows(0..<1).assign(Matrix(base.finalNorm, rows: 1, columns: base.finalNorm.count))
  }

  var finalNorm: [Float] { normState.rows(0..<1).elements }

  func layer(_ index: Int) throws -> LayerWeights {
    layouts[index].weights(in: try states.matrix(index).rows(0..<1))
  }

  /// Begins a step that all layers and the final norm must take.
  func beginStep() { adam.advance() }

  func move(_ index: Int, _ gradients: LayerGradients, rate: Float) throws {
    try states.change(index) { state in
      layouts[index].forEach(gradients) { adam.move(state, from: $0, gradient: $1, rate: rate) }
    }
  }

  func moveFinalNorm(_ gradient: Matrix<Float>, rate: Float) {
    adam.move(normState, from: 0, gradient: gradient, rate: rate)
  }

  /// The weights as they are now, for a network that no longer changes.
  func snapshot() throws -> (layers: LayerStore, finalNorm: [Float]) {
    let store = try LayerStore(configuration, within: memory)
    for index in configuration.layers.indices {
      try store.store(index, layer(index).mapProjections { Linear(weight: $1.weight.copy(), bias: $1.bias) })
    }
    return (store, finalNorm)
  }
}
