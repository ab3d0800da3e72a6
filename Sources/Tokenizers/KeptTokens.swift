/// The tokens of a vocabulary that stay when others are dropped, and their new ids.
public struct KeptTokens: Sendable, Equatable {
  /// The old id of every new one.
  public let oldIds: [Int32]
  private let newIds: [Int32: Int32]

  /// - Parameter oldIds: each once.
  public init(oldIds: [Int32]) {
    self.oldIds = oldIds
    newIds = Dictionary(oldIds.enumerated().map { ($1, Int32($0)) }) { first, _ in first }
  }

  public var count: Int { oldIds.count }

  /// The new id of a token; nil for one that is dropped.
  public func newId(of oldId: Int32) -> Int32? { newIds[oldId] }

  /// - Throws: `TokenizerError.droppedToken`, which names the place that needs it.
  func required(_ oldId: Int32, by place: String) throws -> Int32 {
    guard let id = newIds[oldId] else { throw TokenizerError.droppedToken(id: oldId, place: place) }
    return id
  }
}

extension Tokenizer {
  /// The tokenizer with fewer tokens. Merges whose parts or result are dropped go with them.
  ///
  /// A text of which this tokenizer makes only kept tokens is cut in the same way by the smaller one, provided that
  /// the tokens come from a `TokenChoice`. Everything else in the files stays as it is.
  ///
  /// - Throws: `TokenizerError`, also where the files cannot say the new ids.
  public func keeping(_ kept: KeptTokens) throws -> Tokenizer {
    let smaller: Tokenizer
    switch source {
    case .huggingFace(let files):
      smaller = try Tokenizer(files: HuggingFaceSelection(definition: definition, kept: kept).files(files))
    case .gguf(let vocabulary):
      smaller = try Tokenizer(gguf: vocabulary.keeping(kept, of: definition), file: "the smaller vocabulary")
    }
    try smaller.definition.check(isOf: definition, kept)
    return smaller
  }
}

extension TokenizerDefinition {
  /// Whether this definition, which was read back, has the kept tokens of a larger one under their new ids.
  fileprivate func check(isOf parent: TokenizerDefinition, _ kept: KeptTokens) throws {
    func wrong(_ reason: String) -> TokenizerError {
      .invalidVocabulary(file: "the smaller vocabulary", reason: reason)
    }
    guard tokens.count == kept.count else { throw wrong("it has \(tokens.count) tokens, not \(kept.count)") }
    for (new, old) in kept.oldIds.enumerated() where !tokens[new].elementsEqual(parent.tokens[Int(old)]) {
      throw wrong(
        "token \(old) (\(parent.text(of: old))) should have id \(new), which is '\(text(of: Int32(new)))': "
          + "the order of the added tokens does not allow it")
    }
    let named = [
      (bosToken, parent.bosToken), (eosToken, parent.eosToken), (unknownToken, parent.unknownToken),
      (paddingToken, parent.paddingToken), (unknownSymbol, parent.unknownSymbol),
    ]
    guard named.allSatisfy({ $0 == $1.flatMap(kept.newId) }), prefix == parent.prefix.compactMap(kept.newId),
      suffix == parent.suffix.compactMap(kept.newId), knowsEveryText == parent.knowsEveryText
    else { throw wrong("its special tokens are not those of the larger one") }
  }
}

extension GGUFVocabulary {
  /// The vocabulary of the kept tokens. Special tokens that the file leaves to a default are named, because the default
  /// is an old id.
  func keeping(_ kept: KeptTokens, of definition: TokenizerDefinition) -> GGUFVocabulary {
    var smaller = self
    smaller.tokens = kept.oldIds.map { definition.text(of: $0) }
    smaller.scores = scores.map { scores in kept.oldIds.map { scores[Int($0)] } }
    smaller.tokenTypes = tokenTypes.map { types in kept.oldIds.map { types[Int($0)] } }
    var texts = TokenTable()
    for id in kept.oldIds { texts.append(definition.tokens[Int(id)]) }
    smaller.merges = merges.filter { merge in
      // The first character may itself be a space.
      guard let space = merge.utf8.dropFirst().firstIndex(of: 0x20) else { return false }
      let (left, right) = (Array(merge.utf8[..<space]), Array(merge.utf8[merge.utf8.index(after: space)...]))
      return [left, right, left + right].allSatisfy { texts.index(of: $0) != nil }
    }
    smaller.bosToken = definition.bosToken.flatMap(kept.newId)
    smaller.eosToken = definition.eosToken.flatMap(kept.newId)
    smaller.unknownToken = definition.unknownToken.flatMap(kept.newId)
    smaller.paddingToken = definition.paddingToken.flatMap(kept.newId)
    return smaller
  }
}
