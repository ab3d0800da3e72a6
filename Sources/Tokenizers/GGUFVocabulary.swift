/// The tokenizer part of a GGUF file as plain data; each property is the key named beside it. The reader or writer of
/// the file fills it in; this module never opens a GGUF file.
///
/// Source: the GGUF specification, section "Tokenizer", and the loader of llama.cpp for the defaults of absent keys.
public struct GGUFVocabulary: Sendable, Equatable {
  /// Values of `tokenizer.ggml.token_type`.
  public enum TokenType {
    public static let normal: Int32 = 1
    public static let unknown: Int32 = 2
    public static let control: Int32 = 3
    public static let userDefined: Int32 = 4
    public static let unused: Int32 = 5
    public static let byte: Int32 = 6
  }

  /// `tokenizer.ggml.model`: `gpt2` (byte-level BPE) or `llama` (SentencePiece BPE).
  public var model: String
  /// `tokenizer.ggml.pre`: the name of the pre-tokenizer of a `gpt2` model.
  public var pre: String?
  /// `tokenizer.ggml.tokens`: the text of every id, in order. `gpt2` spells bytes in the GPT-2 alphabet.
  public var tokens: [String]
  /// `tokenizer.ggml.scores`: one for each token; needed by `llama`, which merges the higher score first.
  public var scores: [Float]?
  /// `tokenizer.ggml.token_type`: one for each token, see `TokenType`; all normal if absent.
  public var tokenTypes: [Int32]?
  /// `tokenizer.ggml.merges`: "left right", first merged first; needed by `gpt2`.
  public var merges: [String]
  /// `tokenizer.ggml.bos_token_id`
  public var bosToken: Int32?
  /// `tokenizer.ggml.eos_token_id`
  public var eosToken: Int32?
  /// `tokenizer.ggml.unknown_token_id`
  public var unknownToken: Int32?
  /// `tokenizer.ggml.padding_token_id`
  public var paddingToken: Int32?
  /// `tokenizer.ggml.add_bos_token`; absent means true for `llama` and for the Llama-3 pre-tokenizer, else false.
  public var addBOS: Bool?
  /// `tokenizer.ggml.add_eos_token`; absent means false.
  public var addEOS: Bool?
  /// `tokenizer.ggml.add_space_prefix`; absent means true for `llama`. `gpt2` takes no notice of it.
  public var addSpacePrefix: Bool?
  /// `tokenizer.chat_template`: a Jinja template.
  public var chatTemplate: String?

  public init(
    model: String, pre: String? = nil, tokens: [String], scores: [Float]? = nil, tokenTypes: [Int32]? = nil,
    merges: [String] = []
  ) {
    self.model = model
    self.pre = pre
    self.tokens = tokens
    self.scores = scores
    self.tokenTypes = tokenTypes
    self.merges = merges
  }

  /// The vocabulary with exactly `count` tokens, as a GGUF file lists them: one for every row of the embedding.
  ///
  /// Rows without a token get unused tokens `[PAD512]`, `[PAD513]`, …. Tokens without a row are left out, together with
  /// their merges.
  ///
  /// - Throws: `TokenizerError.notExpressible` if a token that begins or ends every text has no row.
  public func fitted(to count: Int) throws -> GGUFVocabulary {
    count < tokens.count ? try shortened(to: count) : padded(to: count)
  }

  private func padded(to count: Int) -> GGUFVocabulary {
    guard count > tokens.count else { return self }
    var padded = self
    let missing = count - tokens.count
    padded.tokens += Self.unusedTokens(for: tokens.count..<count, besides: tokens)
    padded.tokenTypes =
      (tokenTypes ?? tokens.map { _ in TokenType.normal }) + Array(repeating: TokenType.unused, count: missing)
    padded.scores? += Array(repeating: -10_000, count: missing)
    return padded
  }

  /// Texts for ids without a token; none is the text of another token.
  static func unusedTokens(for ids: some Collection<Int>, besides tokens: [String]) -> [String] {
    let taken = Set(tokens.filter { $0.hasPrefix("[PAD") })
    return ids.map { id in
      var text = "[PAD\(id)]"
      while taken.contains(text) { text = "[PAD" + text + "]" }
      return text
    }
  }

  private func shortened(to count: Int) throws -> GGUFVocabulary {
    func kept(_ id: Int32?) -> Int32? { id.flatMap { (0..<count).contains(Int($0)) ? $0 : nil } }
    for (token, isAdded) in [(bosToken, addBOS), (eosToken, addEOS)] where isAdded == true {
      guard let token, kept(token) == nil, tokens.indices.contains(Int(token)) else { continue }
      throw TokenizerError.notExpressible(
        reason: "it puts token \(token) (\(tokens[Int(token)])) beside every text, and the embedding has \(count) rows")
    }
    var shortened = self
    shortened.tokens = Array(tokens.prefix(count))
    shortened.tokenTypes = tokenTypes.map { Array($0.prefix(count)) }
    shortened.scores = scores.map { Array($0.prefix(count)) }
    let dropped = Set(tokens.dropFirst(count).map { Array($0.utf8) })
    shortened.merges = merges.filter { merge in
      let parts = merge.utf8.split(separator: 0x20, maxSplits: 1).map { Array($0) }
      return !parts.contains { dropped.contains($0) } && !dropped.contains(Array(parts.joined()))
    }
    shortened.bosToken = kept(bosToken)
    shortened.eosToken = kept(eosToken)
    shortened.unknownToken = kept(unknownToken)
    shortened.paddingToken = kept(paddingToken)
    return shortened
  }
}
