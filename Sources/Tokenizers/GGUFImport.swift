import Checkpoints

/// Reads a tokenizer from GGUF metadata, as llama.cpp's loader does for the models `gpt2` and `llama`.
struct GGUFImport {
  /// The file, for messages.
  let source: String

  private func invalid(_ reason: String) -> TokenizerError { .invalidVocabulary(file: source, reason: reason) }

  func definition(from vocabulary: GGUFVocabulary) throws -> TokenizerDefinition {
    var definition = TokenizerDefinition()
    try readTokens(vocabulary, into: &definition)
    definition.chatTemplate = vocabulary.chatTemplate
    let addsBOS: Bool
    switch vocabulary.model {
    case "gpt2":
      let pre = try readByteLevel(vocabulary, into: &definition)
      addsBOS = vocabulary.addBOS ?? pre.addsBOS
    case "llama":
      try readSentencePiece(vocabulary, into: &definition)
      addsBOS = vocabulary.addBOS ?? true
    default:
      throw TokenizerError.unsupported(
        file: source, component: "tokenizer.ggml.model", found: vocabulary.model, supported: ["gpt2", "llama"])
    }
    let defaults = GGUFSpecialTokens.defaults(of: vocabulary.model)
    definition.prefix = try affix(addsBOS, &definition.bosToken, defaults.bos, "bos", definition.tokens.count)
    definition.suffix = try affix(
      vocabulary.addEOS ?? false, &definition.eosToken, defaults.eos, "eos", definition.tokens.count)
    return definition
  }

  /// - Parameter token: default for a token that is needed and that the file does not give.
  private func affix(
    _ isAdded: Bool, _ token: inout Int32?, _ standard: Int32, _ name: String, _ count: Int
  ) throws -> [Int32] {
    guard isAdded else { return [] }
    if token == nil, Int(standard) < count { token = standard }
    guard let token else {
      throw TokenizerError.invalidField(
        file: source, field: "tokenizer.ggml.\(name)_token_id",
        expected: "a token id, because tokenizer.ggml.add_\(name)_token is true")
    }
    return [token]
  }

  // MARK: tokens

  private func readTokens(_ vocabulary: GGUFVocabulary, into definition: inout TokenizerDefinition) throws {
    let count = vocabulary.tokens.count
    guard count > 0 else { throw invalid("it is empty") }
    for (id, token) in vocabulary.tokens.enumerated() {
      // If a token has no text, llama.cpp gives it one.
      let text = token.isEmpty ? "[EMPTY_\(id)]" : token
      if let other = definition.tokens.append(text.utf8) {
        throw invalid("token \"\(text)\" has the ids \(other) and \(id)")
      }
    }
    if let types = vocabulary.tokenTypes, types.count < count {
      throw invalid("\(count) tokens, but \(types.count) token types")
    }
    for id in 0..<count {
      // These are recognised in the text as written, before it is cut and encoded.
      let type = GGUFSpecialTokens.type(
        of: vocabulary.tokens[id], written: vocabulary.tokenTypes?[id] ?? GGUFVocabulary.TokenType.normal)
      guard GGUFSpecialTokens.isMatched(type) else { continue }
      definition.addedTokens.append(
        AddedToken(
          id: Int32(id), content: Array(definition.tokens[id]), special: type != GGUFVocabulary.TokenType.userDefined))
    }
    definition.bosToken = token(vocabulary.bosToken, "bos", count)
    definition.eosToken = token(vocabulary.eosToken, "eos", count)
    definition.unknownToken = token(vocabulary.unknownToken, "unknown", count)
    definition.paddingToken = token(vocabulary.paddingToken, "padding", count)
  }

  /// The id of a special token. An id without a token counts as none, as in llama.cpp.
  private func token(_ id: Int32?, _ name: String, _ count: Int) -> Int32? {
    guard let id, id < 0 || Int(id) >= count else { return id }
    Notices.tell(
      "\(source): tokenizer.ggml.\(name)_token_id is \(id), but there are \(count) tokens: it is taken as missing")
    return nil
  }

  // MARK: gpt2

  private func readByteLevel(
    _ vocabulary: GGUFVocabulary, into definition: inout TokenizerDefinition
  ) throws -> GGUFPreTokenizer {
    guard let pre = GGUFPreTokenizer(name: vocabulary.pre) else {
      throw TokenizerError.unsupported(
        file: source, component: "tokenizer.ggml.pre", found: vocabulary.pre ?? "",
        supported: GGUFPreTokenizer.allCases.flatMap(\.names))
    }
    if pre == .unnamed {
      Notices.tell(
        "\(source): tokenizer.ggml.pre, which says how words are cut before they become tokens, is "
          + "\(vocabulary.pre.map { "'\($0)'" } ?? "missing"): llama.cpp's default is used, which few models were trained "
          + "with; convert the model again for a file that names its pre-tokenizer")
    }
    definition.normalizer = pre.normalizer
    definition.preTokenizer = pre.steps
    definition.ignoresMerges = pre.ignoresMerges
    definition.decoder = [.byteLevel]
    guard !vocabulary.merges.isEmpty else {
      throw TokenizerError.invalidField(file: source, field: "tokenizer.ggml.merges", expected: "the merges")
    }
    var known: Set<UInt64> = []
    for (index, text) in vocabulary.merges.enumerated() {
      // The first character may itself be a space.
      guard let space = text.utf8.dropFirst().firstIndex(of: 0x20) else {
        throw TokenizerError.invalidMerge(file: source, index: index, reason: "expected two tokens, not \"\(text)\"")
      }
      let merge = try definition.merge(
        text.utf8[..<space], text.utf8[text.utf8.index(after: space)...], rank: Int32(clamping: index), file: source,
        index: index)
      // If a pair occurs twice, the first counts.
      if known.insert(MergeTable.key(merge.left, merge.right)).inserted { definition.merges.append(merge) }
    }
    return pre
  }

  // MARK: llama

  private func readSentencePiece(
    _ vocabulary: GGUFVocabulary, into definition: inout TokenizerDefinition
  ) throws {
    let scores = vocabulary.scores ?? Array(repeating: 0, count: vocabulary.tokens.count)
    guard scores.count >= vocabulary.tokens.count else {
      throw invalid("\(vocabulary.tokens.count) tokens, but \(scores.count) scores")
    }
    if let id = scores.firstIndex(where: \.isNaN) {
      throw invalid("the score of token \(id) is not a number")
    }
    let mark = Array("▁".utf8)
    let addsSpace = vocabulary.addSpacePrefix ?? true
    definition.normalizer = (addsSpace ? [.prepend(mark)] : []) + [.replace(pattern: [0x20], content: mark)]
    definition.decoder =
      [.replace(pattern: mark, content: [0x20]), .byteFallback, .fuse]
      + (addsSpace ? [.strip(content: [0x20], start: 1, stop: 0)] : [])
    definition.byteFallback = true
    definition.fusesUnknown = true
    definition.unknownToken = definition.unknownToken ?? 0
    definition.unknownSymbol = definition.unknownToken
    definition.merges = Self.merges(of: definition.tokens, scores: scores, types: vocabulary.tokenTypes)
  }

  /// SentencePiece keeps no list of merges: any two neighbours whose concatenation is a token may become that token,
  /// the highest score first, and among equal scores the leftmost. So every way to cut a token into two tokens is a
  /// merge, ranked by the token's score. Control, unknown and byte tokens take no part.
  ///
  /// Source: Kudo and Richardson 2018, "SentencePiece", and its BPE model.
  static func merges(
    of tokens: TokenTable, scores: [Float], types: [Int32]?
  ) -> [TokenizerDefinition.Merge] {
    let reserved = [
      GGUFVocabulary.TokenType.unknown, GGUFVocabulary.TokenType.control, GGUFVocabulary.TokenType.byte,
    ]
    let isReserved = (0..<tokens.count).map { id in types.map { reserved.contains($0[id]) } ?? false }
    let distinct = Set(scores).sorted(by: >)
    let ranks = Dictionary(uniqueKeysWithValues: distinct.enumerated().map { ($1, Int32($0)) })
    var merges: [TokenizerDefinition.Merge] = []
    for id in 0..<tokens.count where !isReserved[id] {
      let text = tokens[id]
      for cut in text.indices.dropFirst() where text[cut] & 0xC0 != 0x80 {
        guard let left = tokens.index(of: text[..<cut]), let right = tokens.index(of: text[cut...]),
          !isReserved[left], !isReserved[right], let rank = ranks[scores[id]]
        else { continue }
        merges.append(.init(left: Int32(left), right: Int32(right), result: Int32(id), rank: rank))
      }
    }
    return merges.enumerated().sorted { ($0.element.rank, $0.offset) < ($1.element.rank, $1.offset) }.map(\.element)
  }
}
