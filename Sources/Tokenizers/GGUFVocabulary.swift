/// The tokenizer part of a GGUF file as plain data; each property is the key named beside it. Whoever reads or writes
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
  /// `tokenizer.ggml.scores`: one a token; needed by `llama`, where the higher score is merged first.
  public var scores: [Float]?
  /// `tokenizer.ggml.token_type`: one a token, see `TokenType`; all normal when absent.
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
    merges: [String] = [], bosToken: Int32? = nil, eosToken: Int32? = nil, unknownToken: Int32? = nil,
    paddingToken: Int32? = nil, addBOS: Bool? = nil, addEOS: Bool? = nil, addSpacePrefix: Bool? = nil,
    chatTemplate: String? = nil
  ) {
    self.model = model
    self.pre = pre
    self.tokens = tokens
    self.scores = scores
    self.tokenTypes = tokenTypes
    self.merges = merges
    self.bosToken = bosToken
    self.eosToken = eosToken
    self.unknownToken = unknownToken
    self.paddingToken = paddingToken
    self.addBOS = addBOS
    self.addEOS = addEOS
    self.addSpacePrefix = addSpacePrefix
    self.chatTemplate = chatTemplate
  }

  /// The vocabulary with unused tokens `[PAD512]`, `[PAD513]`, … appended, for a model whose embedding has more rows
  /// than its tokenizer has tokens: a GGUF file lists a token for every row. Unchanged when it has `count` or more.
  public func padded(to count: Int) -> GGUFVocabulary {
    var padded = self
    let missing = tokens.count..<max(tokens.count, count)
    padded.tokens += missing.map { "[PAD\($0)]" }
    padded.tokenTypes? += missing.map { _ in TokenType.unused }
    padded.scores? += missing.map { _ in -10_000 }
    if padded.tokenTypes == nil, !missing.isEmpty {
      padded.tokenTypes = tokens.map { _ in TokenType.normal } + missing.map { _ in TokenType.unused }
    }
    return padded
  }
}
