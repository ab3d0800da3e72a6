import LinearAlgebra
import Runtime

/// A linear map `y = W·x + b`, `W` of shape `[outputs, inputs]`.
public struct Linear: Sendable {
  public var weight: Matrix<Float>
  public var bias: [Float]?

  public init(weight: Matrix<Float>, bias: [Float]? = nil) {
    self.weight = weight
    self.bias = bias
  }

  /// A map of nothing to nothing.
  static let none = Linear(weight: Matrix(rows: 0, columns: 0))

  public var outputs: Int { weight.rows }
  public var inputs: Int { weight.columns }

  /// `Y = X·Wᵀ + b` for rows `X` of shape `[tokens, inputs]`, or `Y += …` when `accumulating`.
  public func apply(_ x: Matrix<Float>, into y: Matrix<Float>, accumulating: Bool = false) {
    multiply(x, weight, transposingB: true, accumulate: accumulating ? 1 : 0, into: y)
    guard let bias else { return }
    bias.withUnsafeBufferPointer { bias in
      guard let bias = bias.baseAddress else { return }
      for i in 0..<y.rows { Kernels.add(bias, to: y.row(i), count: y.columns) }
    }
  }
}

/// The weights of one decoder layer, in single precision: a table of its parts.
public struct LayerWeights: Sendable, ProjectionTable {
  private var linears: LayerTable<Linear>
  private var gains: LayerTable<[Float]>
  /// The place of the layer's kind of attention in `BlockDescription.attention`.
  public var attentionKind = 0

  /// - Parameters:
  ///   - projections: those that are not given have neither outputs nor inputs.
  ///   - gains: those of norms; a norm that is not given is one that the layer does not have.
  public init(_ projections: [LayerPart: Linear] = [:], gains: [LayerPart: [Float]] = [:]) {
    linears = LayerTable { projections[$0] ?? .none }
    self.gains = LayerTable { gains[$0] ?? [] }
  }

  /// A projection.
  public subscript(part: LayerPart) -> Linear {
    get { linears[part] }
    set { linears[part] = newValue }
  }

  /// The gains of a norm; empty where the layer does not have it.
  public subscript(gain part: LayerPart) -> [Float] {
    get { gains[part] }
    set { gains[part] = newValue }
  }

  public var attentionNorm: [Float] { gains[.attentionNorm] }
  public var mlpNorm: [Float] { gains[.mlpNorm] }

  /// Elements of all matrices.
  public var matrixElements: Int { LayerPart.projections.reduce(0) { $0 + linears[$1].weight.count } }

  /// The same with other projections.
  public func mapProjections(_ transform: (LayerPart, Linear) throws -> Linear) rethrows -> LayerWeights {
    var result = self
    for part in LayerPart.projections { result.linears[part] = try transform(part, linears[part]) }
    return result
  }

  /// The widths that the matrices have.
  func shape(headDimension: Int) -> LayerShape {
    LayerShape(
      queryHeads: query.outputs / headDimension, kvHeads: key.outputs / headDimension,
      mlpChannels: hasExperts ? self[.router].outputs : gate.outputs)
  }

  /// Whether the MLP is a mixture of experts.
  public var hasExperts: Bool { self[.router].inputs > 0 }

  /// The inputs of the down projection that belong to one unit of the MLP.
  public var channelsPerUnit: Int { hasExperts ? gate.outputs / max(1, self[.router].outputs) : 1 }
}

extension LayerWeights {
  /// The activations of one unit of the MLP, as `ModelConfiguration.activationsPerUnit`.
  public var activationsPerUnit: Int { channelsPerUnit + (hasExpertBiases ? 1 : 0) }

  /// Whether each expert of the MLP has a bias.
  var hasExpertBiases: Bool { self[.expertBias].inputs > 0 }

  /// The activations of a module that reach the stream.
  public func activations(of module: LayerPart.Module) -> Int {
    self[module.output].inputs + (module == .mlp && hasExpertBiases ? self[.expertBias].outputs : 0)
  }

  /// The map from a module's activations to what it adds to the stream: its output projection. The bias of an expert stands
  /// behind the expert's columns, as one more: its input is the expert's weight for the token.
  public subscript(toStream module: LayerPart.Module) -> Linear {
    get {
      let (linear, biases) = (self[module.output], self[.expertBias].weight)
      if module == .attention || !hasExpertBiases { return linear }
      let (width, channels) = (activationsPerUnit, channelsPerUnit)
      let weight = Matrix<Float>(uninitialized: linear.outputs, columns: biases.rows * width)
      for expert in 0..<biases.rows {
        let own = weight.columns(expert * width..<(expert + 1) * width)
        own.columns(0..<channels).assign(linear.weight.columns(expert * channels..<(expert + 1) * channels))
        for i in 0..<own.rows { own[i, channels] = biases[expert, i] }
      }
      return Linear(weight: weight, bias: linear.bias)
    }
    set {
      guard module == .mlp, hasExpertBiases else {
        self[module.output] = newValue
        return
      }
      let biases = self[.expertBias].weight.copy()
      let (width, channels) = (activationsPerUnit, channelsPerUnit)
      let weight = Matrix<Float>(uninitialized: newValue.outputs, columns: biases.rows * channels)
      for expert in 0..<biases.rows {
        let own = newValue.weight.columns(expert * width..<(expert + 1) * width)
        weight.columns(expert * channels..<(expert + 1) * channels).assign(own.columns(0..<channels))
        for i in 0..<own.rows { biases[expert, i] = own[i, channels] }
      }
      self[module.output] = Linear(weight: weight, bias: newValue.bias)
      self[.expertBias].weight = biases
    }
  }
}

/// Anything the forward pass can run: a checkpoint, or a subnet that inherits from one.
public protocol Network: Sendable {
  var configuration: ModelConfiguration { get }
  /// Shape `[vocabulary, hidden]`.
  var embedding: Matrix<Float> { get }
  /// Shape `[hidden]`.
  var finalNorm: [Float] { get }
  /// The output head, shape `[vocabulary, hidden]`; the embedding when tied.
  var head: Matrix<Float> { get }
  /// What computes the network.
  var engine: any Engine { get }
  /// What may be held in memory while the network is worked on.
  var memory: MemoryPlan { get }
  /// The weights of layer `index`, widened or assembled on demand.
  func layer(_ index: Int) throws -> LayerWeights
}

extension Network {
  /// What turns the network's final hidden states into logits.
  public func outputHead(_ precision: Precision) -> any EngineHead {
    engine.head(head, cap: configuration.logitCap, precision)
  }
}
