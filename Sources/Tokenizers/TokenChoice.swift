/// Chooses the tokens that stay when a vocabulary is made smaller.
///
/// Some have to stay: added and special tokens, those that a chat template writes, and the symbols by which any text
/// can be spelt: the bytes, or all characters if the tokenizer has no token for each byte. The others are chosen by
/// their uses in a text.
///
/// With every token stay all tokens that its merges pass through. The last symbols that a text is merged to do not
/// depend on their neighbours, so the smaller tokenizer cuts a text of kept tokens in the same way.
public struct TokenChoice: Sendable {
  private let definition: TokenizerDefinition
  private let encoder: BytePairEncoder
  private let rows: Int
  /// How often each token was counted.
  private var uses: [Int]
  private var required: [Bool]

  /// - Parameters:
  ///   - rows: rows of the embedding. Tokens without a row stay behind those with one.
  ///   - needed: further tokens that have to stay.
  public init(_ tokenizer: Tokenizer, rows: Int, needed: [Int32] = []) {
    (definition, encoder, self.rows) = (tokenizer.definition, tokenizer.encoder, rows)
    uses = Array(repeating: 0, count: definition.tokens.count)
    required = Array(repeating: false, count: definition.tokens.count)
    let written = tokenizer.chatTemplate.map { ChatTexts.texts(of: $0) } ?? []
    let texts = written.flatMap { tokenizer.encode($0, addSpecialTokens: false) }
    for id in definition.reservedTokens + needed + texts where definition.hasToken(id) {
      for step in steps(to: id) { required[Int(step)] = true }
    }
  }

  /// Tokens that stay whatever is counted.
  public var requiredCount: Int { required.count { $0 } }

  /// Counts the uses of tokens in a text.
  public mutating func count(_ ids: [Int32]) {
    for id in ids where uses.indices.contains(Int(id)) { uses[Int(id)] += 1 }
  }

  /// The tokens that stay.
  ///
  /// - Parameter limit: number of tokens; nil keeps those that were counted. With a limit, the most used come first,
  ///   then those of characters that were counted, then all others; each by the order in which they were merged when
  ///   the tokenizer was made, which is that of their uses then.
  /// - Throws: `TokenizerError.tooFewTokens` if more have to stay.
  public func kept(atMost limit: Int? = nil) throws -> KeptTokens {
    var (stays, count) = (required, requiredCount)
    if let limit, count > limit { throw TokenizerError.tooFewTokens(wanted: limit, needed: count) }
    for id in limit == nil ? counted : order where !stays[Int(id)] {
      if count == limit { break }
      let missing = Set(steps(to: id)).filter { !stays[Int($0)] }
      if let limit, count + missing.count > limit { continue }
      for step in missing { stays[Int(step)] = true }
      count += missing.count
    }
    let ids = stays.indices.filter { stays[$0] }.map { Int32($0) }
    // A reader gives ids to added tokens after all others.
    func place(_ id: Int32) -> (Int, Int, Int32) {
      (Int(id) < rows ? 0 : 1, definition.addedOnly.contains(id) ? 1 : 0, id)
    }
    return KeptTokens(oldIds: ids.sorted { place($0) < place($1) })
  }

  private var counted: [Int32] { uses.indices.filter { uses[$0] > 0 }.map { Int32($0) } }

  /// The tokens that a text may be cut into, the most useful first.
  private var order: [Int32] {
    var ranks = [Int32](repeating: .max, count: uses.count)
    for merge in definition.merges { ranks[Int(merge.result)] = min(ranks[Int(merge.result)], merge.rank) }
    let known = counted.reduce(into: Set<Unicode.Scalar>()) { $0.formUnion(definition.text(of: $1).unicodeScalars) }
    let ids = uses.indices.map { Int32($0) }.filter { uses[Int($0)] > 0 || isReachable($0) }
    let places = ids.map { id in
      let isKnown = definition.text(of: id).unicodeScalars.allSatisfy(known.contains)
      return (id: id, key: (-uses[Int(id)], isKnown ? 0 : 1, ranks[Int(id)], id))
    }
    return places.sorted { $0.key < $1.key }.map(\.id)
  }

  /// Whether any text is cut into this token.
  private func isReachable(_ id: Int32) -> Bool {
    definition.isModelToken(id) && (definition.ignoresMerges || path(to: id) != nil)
  }

  /// A token and those that its merges pass through.
  private func steps(to id: Int32) -> [Int32] { path(to: id) ?? [id] }

  private func path(to id: Int32) -> [Int32]? {
    guard definition.isModelToken(id) else { return nil }
    let text = definition.tokens[Int(id)]
    guard definition.isByteLevel else { return encoder.path(of: text, to: id) }
    return ByteAlphabet.decode(text).flatMap { encoder.path(of: $0[...], to: id) }
  }
}

extension TokenizerDefinition {
  fileprivate func isModelToken(_ id: Int32) -> Bool { hasToken(id) && !addedOnly.contains(id) }

  /// Tokens without which the tokenizer would not do its work.
  fileprivate var reservedTokens: [Int32] {
    let named = [bosToken, eosToken, unknownToken, paddingToken, unknownSymbol].compactMap { $0 }
    return addedTokens.map(\.id) + prefix + suffix + named + spellingTokens
  }

  /// Symbols by which every text that the tokenizer knows can be spelt.
  private var spellingTokens: [Int32] {
    if isByteLevel {
      // llama.cpp asks for at least one merge.
      return byteIds.compactMap { $0 } + [merges.min { $0.rank < $1.rank }?.result].compactMap { $0 }
    }
    let bytes = fallbackIds.compactMap { $0 } + markTokens
    if knowsEveryText { return bytes }
    var characters: [Int32] = []
    forEachModelToken { text, id in
      if !text.isEmpty, decodeScalar(text, at: text.startIndex).length == text.count { characters.append(id) }
    }
    return bytes + characters
  }

  /// The marks that the decoder turns into spaces before it joins bytes. Where it drops the whole first token of marks,
  /// texts that begin with spaces come back as before only if the runs of marks stay, too.
  private var markTokens: [Int32] {
    var marks = (decoder ?? []).flatMap(\.marks).compactMap { modelId(of: $0) }
    for case .metaspace(let mark, _) in decoder ?? [] {
      forEachModelToken { text, id in
        if !text.isEmpty, replacing(mark, with: [], in: Array(text)).isEmpty { marks.append(id) }
      }
    }
    return marks
  }
}

extension DecoderStep {
  /// The characters that the step looks for in tokens.
  fileprivate var marks: [[UInt8]] {
    switch self {
    case .replace(let pattern, _): String(decoding: pattern, as: UTF8.self).unicodeScalars.map { Array("\($0)".utf8) }
    case .metaspace(let mark, _): [mark]
    case .byteLevel, .byteFallback, .fuse, .strip: []
    }
  }
}

/// The texts that a chat template may write.
enum ChatTexts {
  /// Names of speakers, which a conversation brings along.
  private static let roles = ["system", "user", "assistant", "tool", "model"]

  /// The template itself, its quoted strings, and the roles.
  static func texts(of template: String) -> [String] {
    var texts = [template] + roles
    var quote: Character?
    var (text, isEscaped) = ("", false)
    for character in template {
      if isEscaped {
        text.append(character == "n" ? "\n" : character == "t" ? "\t" : character)
        isEscaped = false
      } else if let open = quote {
        if character == "\\" {
          isEscaped = true
        } else if character == open {
          texts.append(text)
          (quote, text) = (nil, "")
        } else {
          text.append(character)
        }
      } else if character == "'" || character == "\"" {
        quote = character
      }
    }
    return texts
  }
}
