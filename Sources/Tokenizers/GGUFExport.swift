/// Writes a tokenizer as GGUF metadata for llama.cpp.
enum GGUFExport {
  private static let format = "a GGUF tokenizer"

  static func vocabulary(for definition: TokenizerDefinition) throws -> GGUFVocabulary {
    var vocabulary = GGUFVocabulary(
      model: definition.isByteLevel ? "gpt2" : "llama",
      tokens: (0..<Int32(definition.tokens.count)).map { definition.text(of: $0) },
      tokenTypes: types(of: definition),
      bosToken: definition.bosToken, eosToken: definition.eosToken, unknownToken: definition.unknownToken,
      paddingToken: definition.paddingToken,
      addBOS: try isAdded(definition.prefix, definition.bosToken, "before"),
      addEOS: try isAdded(definition.suffix, definition.eosToken, "after"), chatTemplate: definition.chatTemplate)
    if definition.isByteLevel {
      vocabulary.pre = try preTokenizer(of: definition).names[0]
      if definition.merges.isEmpty {
        throw TokenizerError.notExpressible(format: format, reason: "it has no merges, which llama.cpp asks for")
      }
      vocabulary.merges = definition.merges.map { "\(definition.text(of: $0.left)) \(definition.text(of: $0.right))" }
      vocabulary.addSpacePrefix = false
    } else {
      vocabulary.pre = "default"
      vocabulary.addSpacePrefix = try addsSpacePrefix(definition)
      vocabulary.scores = scores(of: definition)
    }
    return vocabulary
  }

  private static func isAdded(_ affix: [Int32], _ token: Int32?, _ place: String) throws -> Bool {
    if affix.isEmpty { return false }
    guard affix.count == 1, affix[0] == token else {
      throw TokenizerError.notExpressible(
        format: format, reason: "it puts the ids \(affix) \(place) a text, where GGUF has one token")
    }
    return true
  }

  private static func types(of definition: TokenizerDefinition) -> [Int32] {
    var types = [Int32](repeating: GGUFVocabulary.TokenType.normal, count: definition.tokens.count)
    if definition.byteFallback {
      for id in types.indices where DecoderStep.byte(of: definition.tokens[id]) != nil {
        types[id] = GGUFVocabulary.TokenType.byte
      }
    }
    for token in definition.addedTokens {
      types[Int(token.id)] = token.special ? GGUFVocabulary.TokenType.control : GGUFVocabulary.TokenType.userDefined
    }
    if !definition.isByteLevel, let unknown = definition.unknownSymbol {
      types[Int(unknown)] = GGUFVocabulary.TokenType.unknown
    }
    return types
  }

  /// The GGUF name of the pre-tokenizer. The normaliser may be NFC, which GGUF cannot say.
  private static func preTokenizer(of definition: TokenizerDefinition) throws -> GGUFPreTokenizer {
    let pre = GGUFPreTokenizer.allCases.first { pre in
      definition.preTokenizer == pre.steps
        || definition.preTokenizer == [.split(.gpt2), .byteLevel(addPrefixSpace: false, useRegex: false)]
          && pre == .gpt2
    }
    guard let pre else {
      throw TokenizerError.notExpressible(
        format: format, reason: "no value of tokenizer.ggml.pre has its pre-tokenizer")
    }
    guard definition.normalizer.allSatisfy({ $0 == .nfc }) else {
      throw TokenizerError.notExpressible(format: format, reason: "it rewrites text before byte-level BPE")
    }
    return pre
  }

  // MARK: llama

  /// Reads "replace spaces by ▁, with or without one in front" off the normaliser or the `Metaspace` step.
  private static func addsSpacePrefix(_ definition: TokenizerDefinition) throws -> Bool {
    let mark = Array("▁".utf8)
    let replace = NormalizerStep.replace(pattern: [0x20], content: mark)
    if definition.preTokenizer.isEmpty {
      if definition.normalizer == [.prepend(mark), replace] { return true }
      if definition.normalizer == [replace] { return false }
    }
    if definition.normalizer.isEmpty, definition.preTokenizer.count == 1,
      case .metaspace(mark, let scheme, _) = definition.preTokenizer[0]
    {
      return scheme != .never
    }
    throw TokenizerError.notExpressible(
      format: format, reason: "it does not mark spaces with ▁ in the way of a SentencePiece model")
  }

  /// A score for each token that puts the merges in their order: minus the rank of the first merge that makes the
  /// token. Tokens that no merge makes come last.
  ///
  /// llama.cpp merges any two neighbours whose concatenation is a token. That is the same as the list of merges when
  /// the list is complete in this sense and sorted by token, as the lists made from SentencePiece models are.
  private static func scores(of definition: TokenizerDefinition) -> [Float] {
    let last = Float(definition.merges.map(\.rank).max() ?? 0) + 1
    var scores = [Float](repeating: -last, count: definition.tokens.count)
    for merge in definition.merges.reversed() { scores[Int(merge.result)] = -Float(merge.rank) }
    for token in definition.addedTokens { scores[Int(token.id)] = 0 }
    return scores
  }
}
