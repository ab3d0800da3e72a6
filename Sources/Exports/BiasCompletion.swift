import LanguageModels
import LinearAlgebra

/// A network under a configuration with more biases than it has; those that it lacks are zeros.
struct BiasCompletion<Base: Network>: Network {
  let base: Base
  let configuration: ModelConfiguration

  /// - Parameter configuration: the network's own, but for biases.
  init(_ base: Base, _ configuration: ModelConfiguration) {
    self.base = base
    self.configuration = configuration
  }

  var embedding: Matrix<Float> { base.embedding }
  var finalNorm: [Float] { base.finalNorm }
  var head: Matrix<Float> { base.head }

  /// A bias that the network's own configuration promises is not made up: its absence is found by the export.
  func layer(_ index: Int) throws -> LayerWeights {
    let weights = try base.layer(index)
    let own = base.configuration
    var added = configuration
    added.queryKeyValueBias = configuration.queryKeyValueBias && !own.queryKeyValueBias
    added.outputBias = configuration.outputBias && !own.outputBias
    added.mlpBias = configuration.mlpBias && !own.mlpBias
    return weights.fillingBiases(for: added)
  }
}
