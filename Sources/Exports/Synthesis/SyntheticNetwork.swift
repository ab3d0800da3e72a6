import LanguageModels
import LinearAlgebra
import Runtime

/// A network of random weights whose activations neither vanish nor explode: projections into a layer keep the scale of
/// what they read, those back into the residual stream are smaller by the number of layers.
struct SyntheticNetwork: Network {
  let configuration: ModelConfiguration
  private let seed: UInt64

  init(_ configuration: ModelConfiguration, seed: UInt64) {
    self.configuration = configuration
    self.seed = seed
  }

  var engine: any Engine { CPUEngine() }
  var memory: MemoryPlan { MemoryPlan() }
  var finalNorm: [Float] { Array(repeating: 1, count: configuration.hiddenSize) }
  var embedding: Matrix<Float> { matrix(configuration.vocabularySize, scale: 1, stream: 0) }
  var head: Matrix<Float> {
    configuration.tiedEmbeddings ? embedding : matrix(configuration.vocabularySize, scale: 1, stream: 1)
  }

  /// Shape `[outputs, inputs]`, variance `scale²/read`.
  ///
  /// - Parameter read: number of inputs that are not zero; `nil` for all.
  private func matrix(
    _ outputs: Int, _ inputs: Int? = nil, read: Int? = nil, scale: Float, stream: Int
  ) -> Matrix<Float> {
    let inputs = inputs ?? configuration.hiddenSize
    let result = Matrix<Float>(uninitialized: outputs, columns: inputs)
    // A uniform number between −m and m has the variance m²/3.
    result.fillUniform(
      magnitude: scale * (3 / Float(read ?? inputs)).squareRoot(), seed: seed &* 1_000_003 &+ UInt64(stream))
    return result
  }

  func layer(_ index: Int) -> LayerWeights {
    let shape = configuration.layers[index]
    let back = 1 / Float(2 * configuration.layerCount).squareRoot()
    var layer = LayerWeights()
    for part in configuration.parts(of: shape) where !part.isLinear {
      layer[gain: part] = Array(repeating: 1, count: part.dimensions(in: configuration, shape)[0])
    }
    for (place, part) in LayerPart.projections.enumerated() {
      let size = part.dimensions(in: configuration, shape)
      if part == .expertBias {
        layer[part] = Linear(weight: Matrix(rows: size[0], columns: size[1]))
        continue
      }
      // A token uses some of the experts, each with a share of one.
      let experts = part == .down ? configuration.block.experts : nil
      let weight = matrix(
        size[0], size[1], read: experts?.channels, scale: part.writesToStream ? back : 1,
        stream: 8 * (index + 1) + place)
      layer[part] = Linear(
        weight: weight, bias: configuration.hasBias(part) ? Array(repeating: 0, count: size[0]) : nil)
    }
    return layer
  }
}
