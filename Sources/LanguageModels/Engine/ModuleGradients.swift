import LinearAlgebra
import Runtime

extension BackwardPass {
  /// A module of a layer on all tokens: what its output projection reads, and the gradient at what it gives.
  public struct ModuleTokens {
    public let layer: Int
    public let module: LayerPart.Module
    /// The whole layer's weights.
    public let weights: LayerWeights
    /// What the module's map to the stream (`LayerWeights[toStream:]`) reads, shape `[tokens, activations]`. If a norm
    /// follows the map, each token is divided by the root mean square of the map's output.
    public let inputs: Matrix<Float>
    /// Gradients of the *sum* of the tokens' scalars at the map's output, shape `[tokens, hidden]`; the memory is used
    /// again. With a norm behind the map they are taken where the norm has divided.
    public let gradients: Matrix<Float>
  }

  /// Visits the modules from the last to the first, the MLP of a layer before its attention. Modules that a layer lacks
  /// are left out.
  ///
  /// - Parameters:
  ///   - recorded: the network's residual stream, where it was recorded: it does not run forward then.
  /// - Throws: `ModelError.scratch` where the disk is full, and what the network and `visit` throw.
  public func runModules(
    _ network: some Network, of scalar: Scalar = .sampledLoss, recorded: Recorded? = nil,
    visit: (ModuleTokens) throws -> Void
  ) throws {
    let configuration = network.configuration
    let pass = ForwardPass(windows)
    let runner = pass.runner(for: network)
    let recorded = try recorded ?? [(pass.record(network, with: runner, in: scratch), windows.tokens.count)]
    let hidden = Matrix<Float>(uninitialized: windows.tokens.count, columns: configuration.hiddenSize)
    try read(recorded, boundary: configuration.layerCount, into: hidden)
    let grad = try seed(network, hidden, scalar)
    // The seed is the gradient of a mean over the predicted tokens.
    Kernels.scale(grad.pointer, by: Float(max(1, windows.count * (windows.length - 1))), count: grad.count)
    let backward = network.engine.backward(over: windows, through: configuration)
    for (index, shape) in configuration.layers.enumerated().reversed() {
      let weights = try network.layer(index)
      try read(recorded, boundary: index, into: hidden)
      let middle = hidden.copy()
      let modules = LayerPart.Module.allCases.filter { $0.width(of: shape) > 0 }
      if modules.contains(.attention) { try runner.run(layer: index, weights: weights.only(.attention), middle) }
      for module in modules.reversed() {
        let (own, stream) = (weights.only(module), module == .mlp ? middle : hidden)
        let inputs = try runner.inputs(of: module, layer: own, stream)
        try visit(
          tokens(module, weights, index, inputs: inputs, grad: grad, configuration))
        _ = try backward.run(own, input: stream, grad: grad, [])
      }
    }
  }

  private func tokens(
    _ module: LayerPart.Module, _ weights: LayerWeights, _ layer: Int, inputs: Matrix<Float>, grad: Matrix<Float>,
    _ configuration: ModelConfiguration
  ) -> ModuleTokens {
    let gain = weights[gain: module.postNorm]
    var gradients = grad
    if !gain.isEmpty {
      let output = Matrix<Float>(uninitialized: grad.rows, columns: grad.columns)
      weights[toStream: module].apply(inputs, into: output)
      gradients = Matrix(rows: grad.rows, columns: grad.columns)
      let (unwanted, spare) = (Matrix<Float>(rows: 1, columns: grad.columns), grad.copy())
      for i in 0..<grad.rows {
        let size = configuration.rootMeanSquare(output.row(i), count: output.columns)
        Kernels.rmsNormBackward(
          output.row(i), gain: gain, epsilon: configuration.normEpsilon, outputGrad: spare.row(i),
          addingTo: gradients.row(i), gainGrad: unwanted.pointer, count: grad.columns)
        Kernels.scale(gradients.row(i), by: size, count: grad.columns)
        Kernels.scale(inputs.row(i), by: 1 / size, count: inputs.columns)
      }
    }
    return ModuleTokens(layer: layer, module: module, weights: weights, inputs: inputs, gradients: gradients)
  }
}

extension LayerWeights {
  /// The layer without its other module.
  fileprivate func only(_ module: LayerPart.Module) -> LayerWeights {
    var result = mapProjections { $0.module == module ? $1 : .none }
    for part in LayerPart.norms where part.module != module { result[gain: part] = [] }
    return result
  }
}
