/// The merges of llama.cpp in a SentencePiece model: any two neighbours whose concatenation is a token, the best score
/// first.
enum GGUFMerges {
  /// That is the same as a list with every such pair, sorted by token. Lists that are made from SentencePiece models
  /// have this form.
  ///
  /// - Returns: a difference of the tokenizer's list in words; nil if it is the same.
  static func difference(_ definition: TokenizerDefinition, _ vocabulary: GGUFVocabulary) -> String? {
    func key(_ merge: TokenizerDefinition.Merge) -> UInt64 {
      UInt64(UInt32(bitPattern: merge.left)) << 32 | UInt64(UInt32(bitPattern: merge.right))
    }
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
