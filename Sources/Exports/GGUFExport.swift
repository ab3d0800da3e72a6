import Checkpoints
import Foundation
import LanguageModels
import Tokenizers

/// A network as a GGUF file for llama.cpp, ready to be written.
///
/// Keys and tensors are those that llama.cpp's loader of the form asks for. Norms, biases and rope
/// divisors are F32 whatever the type of the matrices.
struct GGUFExport<Exported: Network>: PreparedExport {
  private let form: GGUFForm
  let network: AdaptedNetwork<Exported>
  let tensors: NetworkTensors<AdaptedNetwork<Exported>>
  let hasTokenizer: Bool
  private let metadata: [(key: String, value: GGUFValue)]

  var architecture: String { form.architecture }
  var needsRemoteCode: Bool { false }

  /// Channels of zeros for a layer without MLP: llama.cpp's `deci` would skip its attention, too. A block of its
  /// quantisations.
  private static var emptyMLP: Int { smallestBlock }

  /// Values of the smallest blocks of quantisations. Rows of other lengths would be stored as F16, so MLPs get channels
  /// of zeros up to a whole number of these.
  private static var smallestBlock: Int { 32 }

  init(
    _ network: Exported, parent: LanguageModel, record: JSONValue, name: String, type: WeightType,
    vocabulary: ReducedVocabulary? = nil
  ) throws {
    (form, self.network, tensors) = try Self.stored(network, type)
    let configuration = self.network.configuration
    let tokenizer = try vocabulary?.tokenizer ?? parent.exportableTokenizer()
    let vocabulary = try Self.vocabulary(of: tokenizer, parent, rows: configuration.vocabularySize)
    hasTokenizer = vocabulary != nil
    metadata =
      Self.general(form.architecture, name: Self.harmless(name, vocabulary), type: type)
      + Self.model(configuration, form)
      + Self.tokenizer(vocabulary, configuration)
      + [(OwnExport.recordKey, .string(record.text(indented: false)))]
      + (type.isQuantised ? [(OwnExport.typeKey, .string(type.rawValue))] : [])
  }

  /// The network and its tensors as the file will hold them.
  static func stored(
    _ network: Exported, _ type: WeightType
  ) throws -> (GGUFForm, AdaptedNetwork<Exported>, NetworkTensors<AdaptedNetwork<Exported>>) {
    let block = type.isQuantised ? smallestBlock : 1
    let whole = AdaptedNetwork(
      network, network.configuration, mlpChannels: Self.emptyMLP, channelBlock: block)
    let form = try GGUFForm.choice(for: whole.configuration)
    var adapted = form.keepsWindows ? network.configuration : network.configuration.withinWindows()
    adapted.block.scoreScale = form.scoreScale(whole.configuration)
    let stored = AdaptedNetwork(network, adapted, mlpChannels: Self.emptyMLP, channelBlock: block)
    let configuration = stored.configuration
    let mixture = TensorMixture(type, configuration, architecture: form.architecture)
    let tensors = NetworkTensors(
      stored, names: .gguf(configuration.family), matrixType: mixture.type, vectorType: .f32,
      layout: TensorLayout(form, configuration), ropeTensors: GGUFRope(configuration, form).tensors)
    return (form, stored, tensors)
  }

  /// Bytes of the file without tensors and the model's own keys.
  var bytesOfOtherMetadata: Int {
    GGUFWriter.bytes(of: metadata) - Self.bytesOfModel(network.configuration, form)
  }

  /// Bytes of the keys that tell of the model: widths take more of them where layers differ.
  static func bytesOfModel(_ configuration: ModelConfiguration, _ form: GGUFForm) -> Int {
    GGUFWriter.bytes(of: model(configuration, form)) - GGUFWriter.bytes(of: [(key: String, value: GGUFValue)]())
  }

  /// The tokenizer with a token for every row. llama.cpp takes the number of rows from the number of tokens.
  private static func vocabulary(
    of tokenizer: Tokenizer?, _ parent: LanguageModel, rows: Int
  ) throws -> GGUFVocabulary? {
    guard let vocabulary = try tokenizer?.ggufVocabulary() else { return nil }
    if vocabulary.tokens.count > rows {
      Notices.tell(
        "\(parent.location.path): the tokenizer has \(vocabulary.tokens.count) tokens, the embedding \(rows) rows; a GGUF "
          + "file lists the tokens with a row, so '\(vocabulary.tokens[rows])' is left out"
          + (vocabulary.tokens.count > rows + 1 ? ", and all after it" : ""))
    }
    return try vocabulary.fitted(to: rows)
  }

  /// The name, spelt so that llama.cpp does not take the tokenizer for Phi 3's, whose tokens it then asks for.
  private static func harmless(_ name: String, _ vocabulary: GGUFVocabulary?) -> String {
    let asked = ["<unk>", "<s>", "<|endoftext|>"]
    if asked.allSatisfy({ vocabulary?.tokens.contains($0) ?? true }) { return name }
    return name.replacing(/(?i)phi-?3/) { _ in "Phi 3" }
  }

  func write(to url: URL) throws {
    try GGUFWriter.write(
      metadata: metadata, tensors: tensors.plans, to: url, encoder: tensors.encode, supply: tensors.supply)
  }

  private static func general(
    _ architecture: String, name: String, type: WeightType
  ) -> [(key: String, value: GGUFValue)] {
    [
      ("general.architecture", .string(architecture)),
      ("general.type", .string("model")),
      ("general.name", .string(name)),
      ("general.file_type", .uint32(type.fileType)),
      ("general.quantization_version", .uint32(2)),
      ("general.alignment", .uint32(UInt32(GGUFFile.defaultAlignment))),
    ]
  }

  private static func model(
    _ configuration: ModelConfiguration, _ form: GGUFForm
  ) -> [(key: String, value: GGUFValue)] {
    func count(_ value: Int) -> GGUFValue { .uint32(UInt32(clamping: value)) }
    /// A number if all layers agree, for readers that know no arrays.
    func perLayer(_ width: (LayerShape) -> Int) -> GGUFValue {
      let widths = configuration.layers.map(width)
      if widths.allSatisfy({ $0 == widths[0] }) { return count(widths[0]) }
      return .array(.int32(widths.map { Int32(clamping: $0) }))
    }
    var members: [(key: String, value: GGUFValue)] = [
      ("block_count", count(configuration.layerCount)),
      ("context_length", count(configuration.contextLength)),
      ("embedding_length", count(configuration.hiddenSize)),
      ("vocab_size", count(configuration.vocabularySize)),
      ("feed_forward_length", configuration.block.experts.map { count($0.channels) } ?? perLayer(\.mlpChannels)),
      ("attention.head_count", perLayer(\.queryHeads)),
      ("attention.head_count_kv", perLayer(\.kvHeads)),
      ("attention.key_length", count(configuration.headDimension)),
      ("attention.value_length", count(configuration.headDimension)),
      ("attention.layer_norm_rms_epsilon", .float32(configuration.normEpsilon)),
    ]
    if let experts = configuration.storedExperts {
      members += [
        ("expert_count", perLayer(\.mlpChannels)), ("expert_used_count", count(experts.perToken)),
        ("expert_feed_forward_length", count(experts.channels)),
      ]
    }
    members += GGUFRope(configuration, form).members
    if !form.keepsWindows, let window = configuration.slidingWindow {
      members.append(("attention.sliding_window", count(window)))
    }
    members += form.members(configuration)
    return members.map { ("\(form.architecture).\($0.key)", $0.value) }
  }

  private static func tokenizer(
    _ vocabulary: GGUFVocabulary?, _ configuration: ModelConfiguration
  ) -> [(key: String, value: GGUFValue)] {
    func id(_ token: Int32?) -> GGUFValue? { token.flatMap { UInt32(exactly: $0) }.map { .uint32($0) } }
    func flag(_ value: Bool?) -> GGUFValue? { value.map { .bool($0) } }
    let all: KeyValuePairs<String, GGUFValue?> = [
      "ggml.model": .string(vocabulary?.model ?? "no_vocab"),
      "ggml.pre": vocabulary?.pre.map { .string($0) },
      "ggml.tokens": vocabulary.map { .array(.string($0.tokens)) },
      "ggml.scores": vocabulary?.scores.map { .array(.float32($0)) },
      "ggml.token_type": vocabulary?.tokenTypes.map { .array(.int32($0)) },
      "ggml.merges": vocabulary.flatMap { $0.merges.isEmpty ? nil : .array(.string($0.merges)) },
      "ggml.bos_token_id": id(vocabulary?.bosToken ?? configuration.bosToken),
      "ggml.eos_token_id": id(vocabulary?.eosToken ?? configuration.eosTokens.first),
      "ggml.unknown_token_id": id(vocabulary?.unknownToken),
      "ggml.padding_token_id": id(vocabulary?.paddingToken),
      "ggml.add_bos_token": flag(vocabulary?.addBOS),
      "ggml.add_eos_token": flag(vocabulary?.addEOS),
      "ggml.add_space_prefix": flag(vocabulary?.addSpacePrefix),
      "chat_template": vocabulary?.chatTemplate.map { .string($0) },
    ]
    return all.compactMap { key, value in value.map { (key: "tokenizer.\(key)", value: $0) } }
  }
}

extension ModelConfiguration {
  /// The same with a context as long as the shortest window, within which no window hides anything. If only some layers
  /// have one, or another, it is left out.
  fileprivate func withinWindows() -> ModelConfiguration {
    guard let shortest = windows.compactMap(\.self).min() else { return self }
    var result = self
    result.contextLength = min(contextLength, shortest)
    for index in block.attention.indices {
      result.block.attention[index].window = Set(windows).count == 1 ? shortest : nil
    }
    return result
  }
}
