import Checkpoints

/// Writes a tokenizer as GGUF metadata for llama.cpp.
enum GGUFExport {
  /// `bos_token_id` names the token that stands first, whatever token the configuration calls BOS, because llama.cpp
  /// puts no other first.
  static func vocabulary(for definition: TokenizerDefinition) throws -> GGUFVocabulary {
    if definition.otherTexts.count > 0 {
      let id = definition.otherIds[0]
      let other = String(decoding: definition.otherTexts[0], as: UTF8.self)
      throw TokenizerError.notExpressible(
        reason: "its id \(id) stands for both \"\(definition.text(of: id))\" and \"\(other)\"")
    }
    var vocabulary = GGUFVocabulary(
      model: definition.isByteLevel ? "gpt2" : "llama", tokens: tokens(of: definition),
      tokenTypes: types(of: definition))
    vocabulary.bosToken = try token(definition.prefix, "before", definition) ?? definition.bosToken
    vocabulary.eosToken = definition.eosToken
    vocabulary.unknownToken = definition.unknownToken
    vocabulary.paddingToken = definition.paddingToken
    vocabulary.addBOS = !definition.prefix.isEmpty
    vocabulary.addEOS = !definition.suffix.isEmpty
    vocabulary.chatTemplate = definition.chatTemplate
    if let last = try token(definition.suffix, "after", definition) {
      if let eos = definition.eosToken, eos != last {
        throw TokenizerError.notExpressible(
          reason:
            "it puts \(definition.named(last)) after a text and calls \(definition.named(eos)) EOS, where GGUF has one token"
        )
      }
      vocabulary.eosToken = last
    }
    if definition.isByteLevel {
      vocabulary.pre = try preTokenizer(of: definition).names[0]
      if definition.merges.isEmpty {
        throw TokenizerError.notExpressible(reason: "it has no merges, which llama.cpp asks for")
      }
      vocabulary.merges = definition.merges.map { "\(definition.text(of: $0.left)) \(definition.text(of: $0.right))" }
      vocabulary.addSpacePrefix = false
    } else {
      vocabulary.pre = "default"
      vocabulary.addSpacePrefix = try addsSpacePrefix(definition)
      vocabulary.scores = scores(of: definition)
      if let difference = difference(definition, vocabulary) {
        Notices.tell(
          "the tokenizer of the GGUF export cuts some words in another way than this one: \(difference)")
      }
    }
    return vocabulary
  }

  /// The one token that stands before or after a text, nil for none.
  private static func token(_ affix: [Int32], _ place: String, _ definition: TokenizerDefinition) throws -> Int32? {
    guard let token = affix.first else { return nil }
    guard affix.count == 1 else {
      let names = affix.map { definition.named($0) }.joined(separator: ", ")
      throw TokenizerError.notExpressible(
        reason: "it puts \(affix.count) tokens \(place) a text (\(names)), where GGUF has one")
    }
    guard definition.hasToken(token) else {
      throw TokenizerError.notExpressible(reason: "it puts id \(token) \(place) a text, which has no token")
    }
    return token
  }

  /// The text of every id. Ids without a token get an unused one.
  private static func tokens(of definition: TokenizerDefinition) -> [String] {
    var tokens = definition.tokens.indices.map { definition.text(of: Int32($0)) }
    let gaps = tokens.indices.filter { definition.tokens.isGap($0) }
    for (id, text) in zip(gaps, GGUFVocabulary.unusedTokens(for: gaps, besides: tokens)) { tokens[id] = text }
    return tokens
  }

  private static func types(of definition: TokenizerDefinition) -> [Int32] {
    var types = definition.tokens.indices.map { id in
      definition.tokens.isGap(id) ? GGUFVocabulary.TokenType.unused : GGUFVocabulary.TokenType.normal
    }
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
    let named = GGUFPreTokenizer.allCases.filter { pre in
      definition.preTokenizer == pre.steps
        || definition.preTokenizer == [.split(.gpt2), .byteLevel(addPrefixSpace: false, useRegex: false)]
          && pre == .gpt2
    }
    // It matters only if some token is not the result of its merges whether whole tokens are taken as they are.
    let exact = named.first { $0.ignoresMerges == definition.ignoresMerges }
    guard let first = named.first, let pre = definition.mergesMakeEveryToken ? first : exact else {
      throw TokenizerError.notExpressible(
        reason: named.isEmpty
          ? "no value of tokenizer.ggml.pre has its pre-tokenizer"
          : "no value of tokenizer.ggml.pre has its pre-tokenizer and ignore_merges \(definition.ignoresMerges)")
    }
    guard definition.normalizer.allSatisfy({ $0 == .nfc }) else {
      throw TokenizerError.notExpressible(reason: "it rewrites text before byte-level BPE")
    }
    return pre
  }

  // MARK: llama

  /// Finds "replace spaces by ▁, with or without one in front" in the normaliser or the `Metaspace` step.
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
    throw TokenizerError.notExpressible(reason: "it does not mark spaces with ▁ in the way of a SentencePiece model")
  }

  /// A score for each token that puts the merges in their order: minus the rank of the first merge that makes the
  /// token. Tokens that no merge makes come last.
  private static func scores(of definition: TokenizerDefinition) -> [Float] {
    let last = Float(definition.merges.map(\.rank).max() ?? 0) + 1
    var scores = [Float](repeating: -last, count: definition.tokens.count)
    for merge in definition.merges.reversed() { scores[Int(merge.result)] = -Float(merge.rank) }
    for token in definition.addedTokens { scores[Int(token.id)] = 0 }
    return scores
  }

  /// llama.cpp merges any two neighbours whose concatenation is a token, the best score first. That is the same as a
  /// list with every such pair, sorted by token. Lists that are made from SentencePiece models have this form.
  ///
  /// - Returns: a difference of the tokenizer's list in words; nil if it is the same.
  private static func difference(_ definition: TokenizerDefinition, _ vocabulary: GGUFVocabulary) -> String? {
    func key(_ merge: TokenizerDefinition.Merge) -> UInt64 { MergeTable.key(merge.left, merge.right) }
    func name(_ merge: TokenizerDefinition.Merge) -> String {
      "\"\(definition.text(of: merge.left))\" and \"\(definition.text(of: merge.right))\""
    }
    // Added tokens are found in the text before it is merged.
    let added = Set(definition.addedTokens.map(\.id))
    let scores = vocabulary.scores ?? []
    let listed = Set(definition.merges.map(key))
    let implied = GGUFImport.merges(of: definition.tokens, scores: scores, types: vocabulary.tokenTypes)
    if let more = implied.first(where: { !added.contains($0.result) && !listed.contains(key($0)) }) {
      return "it does not merge \(name(more)), and llama.cpp does"
    }
    let byRank = definition.merges.filter { !added.contains($0.result) }.sorted { $0.rank < $1.rank }
    let swapped = zip(byRank, byRank.dropFirst()).first { scores[Int($0.result)] < scores[Int($1.result)] }
    return swapped.map { "it merges \(name($0)) before \(name($1)), and llama.cpp the latter first" }
  }
}

extension TokenizerDefinition {
  /// A token for messages: `1 (</s>)`.
  fileprivate func named(_ id: Int32) -> String { "\(id) (\(text(of: id)))" }

  /// Whether every token of the model that spells bytes comes out of the merges when its text is encoded.
  fileprivate var mergesMakeEveryToken: Bool {
    var merging = self
    merging.ignoresMerges = false
    let encoder = BytePairEncoder(merging)
    var holds = true
    forEachModelToken { text, id in
      guard holds, let bytes = ByteAlphabet.decode(text), !bytes.isEmpty else { return }
      var ids: [Int32] = []
      var cache = PieceCache()
      encoder.encode(PreTokenizedText(bytes, isFirst: true), into: &ids, cache: &cache)
      if ids != [id] { holds = addedTokens.contains { $0.id == id } }
    }
    return holds
  }
}
