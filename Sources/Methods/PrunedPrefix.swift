import LanguageModels
import LinearAlgebra
import Runtime
import Subnets

/// The residual stream of a network behind its first layers, which are pruned already, on some windows.
///
/// The methods that fit each layer on what the layers before it really give (GRAIL, Týr) walk with it from layer to layer.
final class PrunedPrefix {
  private let runner: any EnginePass
  /// Shape `[tokens, hidden]`.
  let stream: Matrix<Float>

  init(of network: some Network, on windows: TokenWindows) throws {
    let pass = ForwardPass(windows)
    runner = pass.runner(for: network)
    stream = try pass.embed(network)
  }

  /// The inputs of a module's output projection with the dense layer on a stream, shape `[tokens, inputs]`.
  ///
  /// - Parameter stream: `nil` for that of the prefix.
  func inputs(of module: LayerPart.Module, _ dense: LayerWeights, on stream: Matrix<Float>? = nil) throws
    -> Matrix<Float>
  {
    let stream = stream ?? self.stream
    // A layer may lack the module.
    guard dense.activations(of: module) > 0 else { return Matrix(rows: stream.rows, columns: 0) }
    return try runner.inputs(of: module, layer: dense, stream)
  }

  /// `E[x xᵀ]` of the inputs of both output projections with the dense layer on the pruned prefix, from one pass: the MLP
  /// reads what the whole attention gives. Shapes `[queryHeads·D, queryHeads·D]` and `[channels, channels]`.
  func grams(of dense: LayerWeights) throws -> (context: Matrix<Float>, hidden: Matrix<Float>) {
    let contexts = try inputs(of: .attention, dense)
    let between = stream.copy()
    try add(dense[.output], from: .attention, of: contexts, dense, to: between)
    return (Self.gram(contexts), Self.gram(try inputs(of: .mlp, dense, on: between)))
  }

  /// Moves the stream past a whole layer.
  func run(layer index: Int, _ weights: LayerWeights) throws {
    try runner.run(layer: index, weights: weights, stream)
  }

  /// Moves a stream past a module.
  ///
  /// - Parameters:
  ///   - projection: the module's output projection.
  ///   - inputs: its inputs, shape `[tokens, inputs]`.
  ///   - dense: the layer, for the norm behind the projection.
  ///   - target: `nil` for the stream of the prefix.
  func add(
    _ projection: Linear, from module: LayerPart.Module, of inputs: Matrix<Float>, _ dense: LayerWeights,
    to target: Matrix<Float>? = nil
  ) throws {
    if inputs.columns == 0 { return }
    try runner.add(
      projection, from: module, postNorm: dense[gain: module.postNorm], of: inputs, to: target ?? stream)
  }

  /// `E[x xᵀ]`, shape `[inputs, inputs]`.
  static func gram(_ inputs: Matrix<Float>) -> Matrix<Float> {
    let result = Matrix<Float>(rows: inputs.columns, columns: inputs.columns)
    accumulateGram(inputs, accumulate: 0, into: result)
    mirrorUpperTriangle(result)
    Kernels.scale(result.pointer, by: 1 / Float(max(1, inputs.rows)), count: result.count)
    return result
  }
}

/// The Gram matrices of the inputs of all layers' output and down projections, in memory or on disk as layers are.
struct GramStore: Sendable {
  private let store: LayerStore

  /// - Throws: `ModelError.scratch`.
  init(_ configuration: ModelConfiguration, within memory: MemoryPlan) throws {
    store = try LayerStore(configuration, within: memory)
  }

  func store(_ index: Int, context: Matrix<Float>, hidden: Matrix<Float>) throws {
    // A store of layers keeps matrices by the projection that they belong to.
    try store.store(index, LayerWeights([.output: Linear(weight: context), .down: Linear(weight: hidden)]))
  }

  /// Those of a layer that was stored before.
  func layer(_ index: Int) throws -> (context: Matrix<Float>, hidden: Matrix<Float>) {
    let layer = try store.layer(index)
    return (layer[.output].weight, layer[.down].weight)
  }
}

extension KeptUnits {
  /// The inputs of a module's output projection that stay, in the order of the units.
  func inputs(of module: LayerPart.Module, _ shape: LayerShape, headDimension: Int) -> [Int] {
    module == .attention ? queryIndices(of: shape, headDimension: headDimension) : channels
  }
}

extension PruningMethod {
  /// - Throws: `MethodError.mixture` if the MLPs are mixtures of experts: what the method removes is the channels of one.
  func checkOneMLP(_ configuration: ModelConfiguration) throws(MethodError) {
    if configuration.block.experts != nil { throw .mixture(method: name) }
  }
}
