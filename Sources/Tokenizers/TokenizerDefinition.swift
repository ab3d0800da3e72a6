/// Everything that decides what a tokenizer does, in the terms of a Hugging Face `tokenizer.json`. Both sources,
/// `tokenizer.json` and GGUF metadata, are read into it, and both can be written from it.
struct TokenizerDefinition: Sendable {
  /// Two neighbouring symbols that become one.
  struct Merge: Sendable, Equatable {
    var left: Int32
    var right: Int32
    var result: Int32
    /// Lower is merged first; where equal, further left is merged first.
    var rank: Int32
  }

  /// The text of every id, as the vocabulary spells it.
  var tokens = TokenTable()
  /// Ids that exist as added tokens only: the model never produces them.
  var addedOnly: Set<Int32> = []
  var merges: [Merge] = []
  var addedTokens: [AddedToken] = []

  var normalizer: [NormalizerStep] = []
  var preTokenizer: [PreTokenizerStep] = []
  /// nil: tokens are joined with spaces.
  var decoder: [DecoderStep]?

  /// A piece that is a token as a whole is not taken apart.
  var ignoresMerges = false
  /// A character outside the vocabulary becomes the tokens `<0x00>`…`<0xFF>` of its bytes, where all of them exist.
  var byteFallback = false
  /// Neighbouring unknown characters become one unknown token.
  var fusesUnknown = false
  /// The token of unknown characters in text; nil leaves them out.
  var unknownSymbol: Int32?

  /// What is put before and after a text when special tokens are asked for.
  var prefix: [Int32] = []
  var suffix: [Int32] = []

  var bosToken: Int32?
  var eosToken: Int32?
  var unknownToken: Int32?
  var paddingToken: Int32?
  var chatTemplate: String?

  /// Whether pieces are encoded byte by byte, in `ByteAlphabet`.
  var isByteLevel: Bool { preTokenizer.contains(where: \.isByteLevel) }

  func text(of id: Int32) -> String { String(decoding: tokens[Int(id)], as: UTF8.self) }
}
