import LanguageModels
import LinearAlgebra

/// A network of random weights whose activations neither vanish nor explode: projections into a layer keep the scale of what
/// they read, those back into the residual stream are smaller by the number of layers.
struct SyntheticNetwork: Network {
  let configuration: ModelConfiguration
  private let seed: UInt64

  init(_ configuration: ModelConfiguration, seed: UInt64) {
    self.configuration = configuration
    self.seed = seed
  }

  var finalNorm: [Float] { ones }
  var embedding: Matrix<Float> { matrix(configuration.vocabularySize, scale: 1, stream: 0) }
  var head: Matrix<Float> {
    configuration.tiedEmbeddings ? embedding : matrix(configuration.vocabularySize, scale: 1, stream: 1)
  }

  private var ones: [Float] { Array(repeating: 1, count: configuration.hiddenSize) }

  /// Shape `[outputs, inputs]`, variance `scale²/inputs`.
  private func matrix(_ outputs: Int, _ inputs: Int? = nil, scale: Float, stream: Int) -> Matrix<Float> {
    let inputs = inputs ?? configuration.hiddenSize
    let result = Matrix<Float>(uninitialized: outputs, columns: inputs)
    // A uniform number between −m and m has the variance m²/3.
    result.fillUniform(magnitude: scale * (3 / Float(inputs)).squareRoot(), seed: seed &* 1_000_003 &+ UInt64(stream))
    return result
  }

  func layer(_ index: Int) -> LayerWeights {
    let (shape, hidden) = (configuration.layers[index], configuration.hiddenSize)
    let queries = shape.queryHeads * configuration.headDimension
    let keys = shape.kvHeads * configuration.headDimension
    let back = 1 / Float(2 * configuration.layerCount).squareRoot()
    func linear(_ outputs: Int, _ inputs: Int, _ place: Int, scale: Float = 1, bias: Bool = false) -> Linear {
      Linear(
        weight: matrix(outputs, inputs, scale: scale, stream: 8 * (index + 1) + place),
        bias: bias ? Array(repeating: 0, count: outputs) : nil)
    }
    let bias = configuration.queryKeyValueBias
    return LayerWeights(
      attentionNorm: ones, query: linear(queries, hidden, 0, bias: bias), key: linear(keys, hidden, 1, bias: bias),
      value: linear(keys, hidden, 2, bias: bias), output: linear(hidden, queries, 3, scale: back), mlpNorm: ones,
      gate: linear(shape.mlpChannels, hidden, 4), up: linear(shape.mlpChannels, hidden, 5),
      down: linear(hidden, shape.mlpChannels, 6, scale: back))
  }
}
