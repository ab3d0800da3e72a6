import Checkpoints
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

  /// In the order of their sizes.
  public static let all: [ModelShape] = published.map(ModelShape.init)

  /// - Parameter keys: those of the model's `config.json` that are about its shape and its computation.
  private init(_ name: String, _ keys: [String: JSONValue]) {
    self.name = name
    do {
      configuration = try ModelConfiguration(huggingFace: HuggingFaceConfig(.object(keys), file: name))
    } catch {
      preconditionFailure("\(error)")
    }
    (configuration.bosToken, configuration.eosTokens) = (nil, [])
  }

  /// The same with other numbers of layers, channels, experts, heads or words. Channels are those of an expert, if
  /// there are any.
  ///
  /// - Throws: `ExportError.invalidShape` for numbers that are not a model.
  public func with(
    layers: Int? = nil, channels: Int? = nil, experts: Int? = nil, heads: Int? = nil, kvHeads: Int? = nil,
    vocabulary: Int? = nil
  ) throws -> ModelShape {
    var result = self
    let first = configuration.layers[0]
    var shape = first
    // The heads keep their size, so the hidden size follows their number.
    shape.queryHeads = heads ?? first.queryHeads
    shape.kvHeads = kvHeads ?? (heads == nil ? first.kvHeads : max(1, shape.queryHeads / first.queriesPerGroup))
    if let routing = configuration.block.experts {
      shape.mlpChannels = experts ?? first.mlpChannels
      result.configuration.block.experts?.channels = channels ?? routing.channels
      guard shape.mlpChannels >= routing.perToken, shape.mlpChannels <= 1 << 14, channels ?? 1 > 0 else {
        throw ExportError.invalidShape(
          problem:
            "\(shape.mlpChannels) experts of \(channels ?? routing.channels) channels are no shape for \(name), whose "
            + "tokens use \(routing.perToken) experts")
      }
    } else {
      if experts != nil { throw ExportError.invalidShape(problem: "\(name) has no experts") }
      shape.mlpChannels = channels ?? first.mlpChannels
    }
    let count = layers ?? configuration.layerCount
    result.configuration.vocabularySize = vocabulary ?? configuration.vocabularySize
    let least = SyntheticTokenizer.size
    guard count > 0, shape.queryHeads > 0, shape.kvHeads > 0, shape.mlpChannels > 0,
      result.configuration.vocabularySize >= least
    else {
      throw ExportError.invalidShape(problem: "every number must be positive, and the vocabulary at least \(least)")
    }
    for (name, number, most) in [
      ("layers", count, 1000), ("query heads", shape.queryHeads, 1 << 14),
      ("MLP channels", result.configuration.activations(of: shape), 1 << 20),
      ("the vocabulary", result.configuration.vocabularySize, 1 << 22),
    ] where number > most {
      throw ExportError.invalidShape(problem: "\(number) is too large for \(name): at most \(most)")
    }
    guard shape.queryHeads % shape.kvHeads == 0 else {
      throw ExportError.invalidShape(
        problem: "\(shape.queryHeads) query heads cannot be shared by \(shape.kvHeads) key and value heads")
    }
    result.configuration.layers = Array(repeating: shape, count: count)
    // The pattern of the first layers goes on.
    let kinds = configuration.attentionKinds
    if !kinds.isEmpty { result.configuration.attentionKinds = (0..<count).map { kinds[$0 % kinds.count] } }
    let hidden = configuration.hiddenSize * shape.queryHeads
    guard hidden % first.queryHeads == 0 else {
      throw ExportError.invalidShape(
        problem: "the hidden size \(configuration.hiddenSize) of \(first.queryHeads) query heads has no share for "
          + "\(shape.queryHeads)")
    }
    result.configuration.hiddenSize = hidden / first.queryHeads
    return result
  }
}
