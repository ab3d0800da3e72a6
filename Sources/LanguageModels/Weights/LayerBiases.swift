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
    mapProjections { part, linear in
      guard configuration.hasBias(part), linear.bias == nil else { return linear }
      return Linear(weight: linear.weight, bias: Array(repeating: 0, count: linear.outputs))
    }
  }
}
