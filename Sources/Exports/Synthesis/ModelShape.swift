import LanguageModels

/// Shapes of published models, for checkpoints of random weights.
public struct ModelShape: Sendable {
  public let name: String
  public var configuration: ModelConfiguration

  /// - Throws: `ExportError.unknownShape`.
  public static func named(_ name: String) throws -> ModelShape {
    guard let found = all.first(where: { $0.name == name }) else {
      throw ExportError.unknownShape(name: name, known: all.map(\.name))
    }
    return found
  }

  public static let all: [ModelShape] = [
    ModelShape(
      "smollm2-135m", .llama, hidden: 576, layers: 30, shape(9, 3, 1536), vocabulary: 49152,
      RotaryConfiguration(theta: 1e5), context: 8192
    ).tied,
    ModelShape(
      "llama-3.2-1b", .llama, hidden: 2048, layers: 16, shape(32, 8, 8192), vocabulary: 128_256,
      RotaryConfiguration(
        theta: 5e5, scaling: .llama3(factor: 32, lowFrequency: 1, highFrequency: 4, originalContext: 8192)),
      context: 131_072
    ).tied,
    ModelShape(
      "llama-7b", .llama, hidden: 4096, layers: 32, shape(32, 32, 11008), vocabulary: 32000,
      RotaryConfiguration(theta: 1e4), context: 2048),
    ModelShape(
      "mistral-7b", .mistral, hidden: 4096, layers: 32, shape(32, 8, 14336), vocabulary: 32768,
      RotaryConfiguration(theta: 1e6), context: 32768),
    ModelShape(
      "qwen2.5-7b", .qwen2, hidden: 3584, layers: 28, shape(28, 4, 18944), vocabulary: 152_064,
      RotaryConfiguration(theta: 1e6), context: 32768),
    ModelShape(
      "llama-3-8b", .llama, hidden: 4096, layers: 32, shape(32, 8, 14336), vocabulary: 128_256,
      RotaryConfiguration(theta: 5e5), context: 8192),
    ModelShape(
      "llama-13b", .llama, hidden: 5120, layers: 40, shape(40, 40, 13824), vocabulary: 32000,
      RotaryConfiguration(theta: 1e4), context: 2048),
  ]

  private static func shape(_ queryHeads: Int, _ kvHeads: Int, _ mlpChannels: Int) -> LayerShape {
    LayerShape(queryHeads: queryHeads, kvHeads: kvHeads, mlpChannels: mlpChannels)
  }

  private init(
    _ name: String, _ family: Family, hidden: Int, layers: Int, _ shape: LayerShape, vocabulary: Int,
    _ rotary: RotaryConfiguration, context: Int
  ) {
    self.name = name
    configuration = ModelConfiguration(
      family: family, hiddenSize: hidden, vocabularySize: vocabulary, headDimension: hidden / shape.queryHeads,
      layers: Array(repeating: shape, count: layers),
      block: BlockDescription(
        normEpsilon: 1e-5, rotary: rotary, biases: family.biases.always, parts: family.parts),
      tiedEmbeddings: false, contextLength: context)
  }

  private var tied: ModelShape {
    var result = self
    result.configuration.tiedEmbeddings = true
    return result
  }

  /// The same with other numbers of layers, channels, heads or words.
  ///
  /// - Throws: `ExportError.invalidShape` for numbers that are not a model.
  public func with(
    layers: Int? = nil, channels: Int? = nil, heads: Int? = nil, kvHeads: Int? = nil, vocabulary: Int? = nil
  ) throws -> ModelShape {
    var result = self
    let first = configuration.layers[0]
    var shape = first
    // The heads keep their size, so the hidden size follows their number.
    shape.queryHeads = heads ?? first.queryHeads
    shape.kvHeads = kvHeads ?? (heads == nil ? first.kvHeads : max(1, shape.queryHeads / first.queriesPerGroup))
    shape.mlpChannels = channels ?? first.mlpChannels
    let count = layers ?? configuration.layerCount
    result.configuration.vocabularySize = vocabulary ?? configuration.vocabularySize
    let least = SyntheticTokenizer.size
    guard count > 0, shape.queryHeads > 0, shape.kvHeads > 0, shape.mlpChannels > 0,
      result.configuration.vocabularySize >= least
    else {
      throw ExportError.invalidShape(problem: "every number must be positive, and the vocabulary at least \(least)")
    }
    for (name, number, most) in [
      ("layers", count, 1000), ("query heads", shape.queryHeads, 1 << 14), ("MLP channels", shape.mlpChannels, 1 << 20),
      ("the vocabulary", result.configuration.vocabularySize, 1 << 22),
    ] where number > most {
      throw ExportError.invalidShape(problem: "\(number) is too large for \(name): at most \(most)")
    }
    guard shape.queryHeads % shape.kvHeads == 0 else {
      throw ExportError.invalidShape(
        problem: "\(shape.queryHeads) query heads cannot be shared by \(shape.kvHeads) key and value heads")
    }
    result.configuration.layers = Array(repeating: shape, count: count)
    result.configuration.hiddenSize = shape.queryHeads * configuration.headDimension
    return result
  }
}
