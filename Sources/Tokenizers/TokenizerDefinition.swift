/// The complete definition of a tokenizer, in the terms of a Hugging Face `tokenizer.json`. `tokenizer.json` and GGUF
/// metadata are read into it, and can be written from it.
struct TokenizerDefinition: Sendable {
  /// Two neighbouring symbols that become one.
  struct Merge: Sendable, Equatable {
    var left: Int32
    var right: Int32
    var result: Int32
    /// The lower rank is merged first; of equal ranks, the leftmost.
    var rank: Int32
  }

  /// The text of every id, as the vocabulary spells it. An id between others may have none.
  var tokens = TokenTable()
  /// Ids whose text is only that of an added token: the model never produces it.
  var addedOnly: Set<Int32> = []
  /// Further texts of the model and their ids, for ids that stand for two texts.
  var otherTexts = TokenTable()
  var otherIds: [Int32] = []
  var merges: [Merge] = []
  var addedTokens: [AddedToken] = []

  var normalizer: [NormalizerStep] = []
  var preTokenizer: [PreTokenizerStep] = []
  /// nil: tokens are joined with spaces.
  var decoder: [DecoderStep]?

  /// A piece that is a token as a whole is not taken apart.
  var ignoresMerges = false
  /// A character outside the vocabulary becomes the tokens `<0x00>`…`<0xFF>` of its bytes, if all of them exist.
  var byteFallback = false
  /// Neighbouring unknown characters become one unknown token.
  var fusesUnknown = false
  /// The token of unknown characters in text; nil leaves them out.
  var unknownSymbol: Int32?

  /// The tokens before and after a text, if special tokens are wanted.
  var prefix: [Int32] = []
  var suffix: [Int32] = []

  var bosToken: Int32?
  var eosToken: Int32?
  var unknownToken: Int32?
  var paddingToken: Int32?
  var chatTemplate: String?

  /// Special tokens in a text are treated as text.
  var splitsSpecialTokens = false

  /// Whether pieces are encoded byte by byte, in `ByteAlphabet`.
  var isByteLevel: Bool { preTokenizer.contains(where: \.isByteLevel) }

  /// The text of a token; empty if the id has none.
  func text(of id: Int32) -> String {
    tokens.indices.contains(Int(id)) ? String(decoding: tokens[Int(id)], as: UTF8.self) : ""
  }

  func hasToken(_ id: Int32) -> Bool { tokens.indices.contains(Int(id)) && !tokens.isGap(Int(id)) }

  /// The id of a text: an added token or a token of the model.
  func id(of text: some Collection<UInt8>) -> Int32? {
    tokens.index(of: text).map { Int32($0) } ?? otherTexts.index(of: text).map { otherIds[$0] }
  }

  /// The id that the model has for a text; nil for added tokens that it does not know.
  func modelId(of text: some Collection<UInt8>) -> Int32? {
    if let index = tokens.index(of: text), !addedOnly.contains(Int32(index)) { return Int32(index) }
    return otherTexts.index(of: text).map { otherIds[$0] }
  }

  /// Calls `body` with every text of the model and its id.
  func forEachModelToken(_ body: (ArraySlice<UInt8>, Int32) -> Void) {
    for index in tokens.indices where !addedOnly.contains(Int32(index)) && !tokens.isGap(index) {
      body(tokens[index], Int32(index))
    }
    for index in otherTexts.indices { body(otherTexts[index], otherIds[index]) }
  }

  /// The model's id of each byte in the alphabet of byte-level BPE.
  var byteIds: [Int32?] { ByteAlphabet.scalars.map { modelId(of: String(Character($0)).utf8) } }
  /// The model's id of each byte's token, `<0x00>`…`<0xFF>`.
  var fallbackIds: [Int32?] { (UInt8.min...UInt8.max).map { modelId(of: DecoderStep.token(of: $0).utf8) } }
  /// Whether the model has symbols for any text: then its unknown token never occurs.
  var knowsEveryText: Bool { !(isByteLevel ? byteIds : byteFallback ? fallbackIds : [nil]).contains(nil) }
}
