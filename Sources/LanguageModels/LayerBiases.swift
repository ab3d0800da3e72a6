/// Biases that a repair adds to the two projections that write to the residual stream, and what else then has to be
/// there: a configuration says of whole groups of projections whether they have biases.
extension ModelConfiguration {
  /// The configuration with biases on the attention's output and on the MLP's projections.
  ///
  /// `mlpBias` stands for gate, up and down together, so gate and up get biases too; `LayerWeights.fillingBiases(for:)`
  /// makes them zero.
  public var addingOutputBiases: ModelConfiguration {
    var result = self
    result.outputBias = true
    result.mlpBias = true
    return result
  }
}

extension LayerWeights {
  /// The layer with a bias of zeros on every projection that has one by the configuration and none here. Biases that
  /// are there stay, also where the configuration has none.
  public func fillingBiases(for configuration: ModelConfiguration) -> LayerWeights {
    var result = self
    func fill(_ parts: [WritableKeyPath<LayerWeights, Linear>]) {
      for part in parts where result[keyPath: part].bias == nil {
        result[keyPath: part].bias = Array(repeating: 0, count: result[keyPath: part].outputs)
      }
    }
    if configuration.queryKeyValueBias { fill([\.query, \.key, \.value]) }
    if configuration.outputBias { fill([\.output]) }
    if configuration.mlpBias { fill([\.gate, \.up, \.down]) }
    return result
  }
}
