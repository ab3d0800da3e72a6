/// Reads a tokenizer from GGUF metadata, in the way of llama.cpp's loader for the models `gpt2` and `llama`.
enum GGUFImport {
  static let source = "GGUF metadata"

  static func definition(from vocabulary: GGUFVocabulary) throws -> TokenizerDefinition {
    var definition = TokenizerDefinition()
    try readTokens(vocabulary, into: &definition)
    definition.chatTemplate = vocabulary.chatTemplate
    let addsBOS: Bool
    switch vocabulary.model {
    case "gpt2":
      try readByteLevel(vocabulary, into: &definition)
      addsBOS = vocabulary.addBOS ?? definition.preTokenizer.contains(.split(.llama3))
    case "llama":
      try readSentencePiece(vocabulary, into: &definition)
      addsBOS = vocabulary.addBOS ?? true
    default:
      throw TokenizerError.unsupported(
        file: source, component: "tokenizer.ggml.model", found: vocabulary.model, supported: ["gpt2", "llama"])
    }
    definition.prefix = try affix(addsBOS, definition.bosToken, explicit: vocabulary.addBOS, "bos")
    definition.suffix = try affix(vocabulary.addEOS ?? false, definition.eosToken, explicit: vocabulary.addEOS, "eos")
    return definition
  }

  private static func affix(_ isAdded: Bool, _ token: Int32?, explicit: Bool?, _ name: String) throws -> [Int32] {
    if isAdded, token == nil, explicit == true {
      throw TokenizerError.invalidField(
        file: source, field: "tokenizer.ggml.\(name)_token_id",
        expected: "a token id, because tokenizer.ggml.add_\(name)_token is true")
    }
    return isAdded ? token.map { [$0] } ?? [] : []
  }

  // MARK: tokens

  private static func readTokens(_ vocabulary: GGUFVocabulary, into definition: inout TokenizerDefinition) throws {
    let count = vocabulary.tokens.count
    guard count > 0 else { throw TokenizerError.invalidVocabulary(file: source, reason: "it is empty") }
    for (id, token) in vocabulary.tokens.enumerated() {
      if let other = definition.tokens.append(token.utf8) {
        throw TokenizerError.invalidVocabulary(
          file: source, reason: "token \"\(token)\" has the ids \(other) and \(id)")
      }
    }
    if let types = vocabulary.tokenTypes, types.count != count {
      throw TokenizerError.invalidVocabulary(file: source, reason: "\(count) tokens, but \(types.count) token types")
    }
    for (id, type) in (vocabulary.tokenTypes ?? []).enumerated() {
      // These are recognised in the text before it is cut and encoded, as written.
      let isMatched = [
        GGUFVocabulary.TokenType.unknown, GGUFVocabulary.TokenType.control, GGUFVocabulary.TokenType.userDefined,
      ].contains(type)
      if isMatched, !definition.tokens[id].isEmpty {
        definition.addedTokens.append(
          AddedToken(
            id: Int32(id), content: Array(definition.tokens[id]),
            special: type != GGUFVocabulary.TokenType.userDefined))
      }
    }
    func token(_ id: Int32?, _ name: String) throws -> Int32? {
      guard let id else { return nil }
      guard id >= 0, Int(id) < count else {
        throw TokenizerError.invalidVocabulary(
          file: source, reason: "tokenizer.ggml.\(name)_token_id is \(id), but there are \(count) tokens")
      }
      return id
    }
    definition.bosToken = try token(vocabulary.bosToken, "bos")
    definition.eosToken = try token(vocabulary.eosToken, "eos")
    definition.unknownToken = try token(vocabulary.unknownToken, "unknown")
    definition.paddingToken = try token(vocabulary.paddingToken, "padding")
  }

  // MARK: gpt2

  private static func readByteLevel(_ vocabulary: GGUFVocabulary, into definition: inout TokenizerDefinition) throws {
    guard let pre = GGUFPreTokenizer(name: vocabulary.pre ?? "default") else {
      throw TokenizerError.unsupported(
        file: source, component: "tokenizer.ggml.pre", found: vocabulary.pre ?? "",
        supported: GGUFPreTokenizer.allCases.flatMap(\.names))
    }
    definition.normalizer = pre.normalizer
    definition.preTokenizer = pre.steps
    definition.ignoresMerges = pre.ignoresMerges
    definition.decoder = [.byteLevel]
    guard !vocabulary.merges.isEmpty else {
      throw TokenizerError.invalidField(file: source, field: "tokenizer.ggml.merges", expected: "the merges")
    }
    for (index, text) in vocabulary.merges.enumerated() {
      // The first character may itself be a space.
      guard let space = text.utf8.dropFirst().firstIndex(of: 0x20) else {
        throw TokenizerError.invalidMerge(file: source, index: index, reason: "expected two tokens, not \"\(text)\"")
      }
      definition.merges.append(
        try definition.merge(
          text.utf8[..<space], text.utf8[text.utf8.index(after: space)...], rank: Int32(clamping: index), file: source,
          index: index))
    }
  }

  // MARK: llama

  private static func readSentencePiece(
    _ vocabulary: GGUFVocabulary, into definition: inout TokenizerDefinition
  ) throws {
    guard let scores = vocabulary.scores else {
      throw TokenizerError.invalidField(file: source, field: "tokenizer.ggml.scores", expected: "one score a token")
    }
    guard scores.count == vocabulary.tokens.count else {
      throw TokenizerError.invalidVocabulary(
        file: source, reason: "\(vocabulary.tokens.count) tokens, but \(scores.count) scores")
    }
    if let id = scores.firstIndex(where: \.isNaN) {
      throw TokenizerError.invalidVocabulary(file: source, reason: "the score of token \(id) is not a number")
    }
    let mark = Array("▁".utf8)
    let addsSpace = vocabulary.addSpacePrefix ?? true
    definition.normalizer = (addsSpace ? [.prepend(mark)] : []) + [.replace(pattern: [0x20], content: mark)]
    definition.decoder =
      [.replace(pattern: mark, content: [0x20]), .byteFallback, .fuse]
      + (addsSpace ? [.strip(content: [0x20], start: 1, stop: 0)] : [])
    definition.byteFallback = true
    definition.fusesUnknown = true
    definition.unknownSymbol = definition.unknownToken
    definition.merges = merges(of: definition.tokens, scores: scores, types: vocabulary.tokenTypes)
  }

  /// SentencePiece keeps no list of merges: any two neighbours whose concatenation is a token may become that token,
  /// the highest score first, and among equal scores the leftmost. So every way to cut a token into two tokens is a
  /// merge, ranked by the token's score. Control, unknown and byte tokens take no part.
  ///
  /// Source: Kudo and Richardson 2018, "SentencePiece", and its BPE model.
  private static func merges(
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
