import Foundation

/// A tokenizer: text to token ids and back, exact to the reference implementation (the `tokenizers` library).
///
/// Two families are understood: byte-level BPE (GPT-2, Llama 3, Qwen2, SmolLM) and SentencePiece-style BPE with byte
/// fallback (Llama 1 and 2, Mistral), from a Hugging Face folder or from GGUF metadata.
///
/// `truncation` and `padding` of a `tokenizer.json` are not applied.
public struct Tokenizer: Sendable {
  enum Source: Sendable {
    case huggingFace(files: [String: Data])
    case gguf(GGUFVocabulary)
  }

  let source: Source
  let definition: TokenizerDefinition
  let encoder: BytePairEncoder
  /// Added tokens that are found in the text as written, and those found in the normalised text.
  private let writtenTokens: AddedTokenMatcher
  private let normalizedTokens: AddedTokenMatcher
  private let specialIds: Set<Int32>
  /// The texts to which tokens are decoded, if they are not the vocabulary's.
  private let decodedTexts: [Int32: [UInt8]]

  // MARK: Reading

  /// Reads `tokenizer.json` from a Hugging Face folder, and `tokenizer_config.json`, `special_tokens_map.json`,
  /// `added_tokens.json` and `chat_template.jinja` if they exist.
  ///
  /// Only the post-processor decides about the tokens before and after a text: like `transformers` 5, this ignores
  /// `add_bos_token` and `add_eos_token`.
  ///
  /// - Throws: `TokenizerError`, which names the file and the component.
  public init(directory: URL) throws {
    let files = try HuggingFaceReader.files(in: directory)
    let definition = try HuggingFaceReader.definition(from: files, folder: directory.path)
    self.init(source: .huggingFace(files: files), definition: definition)
  }

  /// Reads the tokenizer of a GGUF file from its metadata.
  ///
  /// - Parameter file: the file's name for messages.
  /// - Throws: `TokenizerError`, which names the metadata key.
  public init(gguf vocabulary: GGUFVocabulary, file: String = "GGUF metadata") throws {
    self.init(source: .gguf(vocabulary), definition: try GGUFImport(source: file).definition(from: vocabulary))
  }

  /// - Parameter files: the files of a Hugging Face folder by name.
  init(files: [String: Data]) throws {
    let definition = try HuggingFaceReader.definition(from: files, folder: "the smaller vocabulary")
    self.init(source: .huggingFace(files: files), definition: definition)
  }

  private init(source: Source, definition: TokenizerDefinition) {
    self.source = source
    self.definition = definition
    encoder = BytePairEncoder(definition)
    writtenTokens = AddedTokenMatcher(definition.addedTokens.filter { !$0.normalized })
    let normalized = definition.addedTokens.filter(\.normalized)
    let patterns = normalized.map { definition.normalizer.apply(to: $0.content) }
    normalizedTokens = AddedTokenMatcher(normalized, patterns: patterns)
    decodedTexts = Dictionary(zip(normalized.map(\.id), patterns)) { $1 }
    specialIds = Set(definition.addedTokens.filter(\.special).map(\.id))
  }

  // MARK: Properties

  /// One more than the highest id, added tokens included. A model's embedding may have more rows, or fewer; ids below
  /// it may have no token.
  public var vocabularySize: Int { definition.tokens.count }
  /// The token that begins a text, if the model has one.
  public var bosToken: Int32? { definition.bosToken }
  /// The token that ends a text, if the model has one.
  public var eosToken: Int32? { definition.eosToken }
  public var unknownToken: Int32? { definition.unknownToken }
  public var paddingToken: Int32? { definition.paddingToken }
  /// The tokens that `encode` puts before the text if special tokens are wanted: usually BOS, or none.
  public var prefix: [Int32] { definition.prefix }
  /// The tokens that `encode` puts after the text if special tokens are wanted: usually none.
  public var suffix: [Int32] { definition.suffix }
  /// The Jinja template that turns a conversation into text.
  public var chatTemplate: String? { definition.chatTemplate }

  /// The id of a token by its text in the vocabulary, compared byte by byte.
  public func id(of token: String) -> Int32? { definition.id(of: token.utf8) }

  /// The text of a token in the vocabulary; nil for an id without a token.
  public func token(for id: Int32) -> String? { definition.hasToken(id) ? definition.text(of: id) : nil }

  /// Whether `decode` leaves the token out on request.
  public func isSpecial(_ id: Int32) -> Bool { specialIds.contains(id) }

  // MARK: Encoding

  /// The token ids of a text.
  ///
  /// - Parameters:
  ///   - addSpecialTokens: whether the prescribed tokens are put around the text, usually BOS.
  ///   - parseSpecial: special tokens written out in the text (`<|im_end|>`) become their ids, as in `tokenizers`.
  ///     With false they are encoded like any other text; added tokens that are not special still become their ids.
  public func encode(_ text: String, addSpecialTokens: Bool, parseSpecial: Bool = true) -> [Int32] {
    let parseSpecial = parseSpecial && !definition.splitsSpecialTokens
    var ids = addSpecialTokens ? definition.prefix : []
    var cache = PieceCache()
    let text = Array(text.utf8)
    for part in writtenTokens.split(text, parseSpecial: parseSpecial) {
      switch part {
      case .token(let id):
        ids.append(id)
      case .text(let range):
        let isFirst = range.lowerBound == 0
        let normalized = definition.normalizer.apply(to: text[range])
        encode(normalized, isFirst: isFirst, parseSpecial: parseSpecial, into: &ids, cache: &cache)
      }
    }
    if addSpecialTokens { ids += definition.suffix }
    return ids
  }

  private func encode(
    _ normalized: [UInt8], isFirst: Bool, parseSpecial: Bool, into ids: inout [Int32], cache: inout PieceCache
  ) {
    for part in normalizedTokens.split(normalized, parseSpecial: parseSpecial) {
      switch part {
      case .token(let id):
        ids.append(id)
      case .text(let range):
        let isWhole = range.count == normalized.count
        var text = PreTokenizedText(
          isWhole ? normalized : Array(normalized[range]), isFirst: isFirst && range.lowerBound == 0)
        for step in definition.preTokenizer { text.apply(step) }
        encoder.encode(text, into: &ids, cache: &cache)
      }
    }
  }

  // MARK: Decoding

  /// The text of a sequence of ids, as `decode` of `tokenizers` gives it. Bytes that are not UTF-8 become U+FFFD:
  /// one for each ill-formed sequence in a byte-level model, one for each byte of the run of byte tokens otherwise.
  /// Ids outside the vocabulary are left out. An added token that is matched in normalised text is decoded to its
  /// normalised text.
  ///
  /// - Parameter skipSpecialTokens: leave out every special token. (`tokenizers` 0.23 keeps those whose normalised
  ///   text is another than their text.)
  public func decode(_ ids: [Int32], skipSpecialTokens: Bool) -> String {
    var tokens: [[UInt8]] = []
    for id in ids where definition.hasToken(id) && !(skipSpecialTokens && specialIds.contains(id)) {
      tokens.append(decodedTexts[id] ?? Array(definition.tokens[Int(id)]))
    }
    for step in definition.decoder ?? [] { tokens = step.apply(to: tokens) }
    let separator: [UInt8] = definition.decoder == nil ? [0x20] : []
    return String(decoding: Array(tokens.joined(separator: separator)), as: UTF8.self)
  }

  /// The bytes that a token adds in the midst of a text: perhaps part of a character; none for an id without a token.
  public func bytes(of id: Int32) -> [UInt8] {
    guard definition.hasToken(id) else { return [] }
    let bytes = decodedTexts[id] ?? Array(definition.tokens[Int(id)])
    return (definition.decoder ?? []).reduce(bytes) { $1.bytes(of: $0) }
  }

  /// Whether the text of a token depends on the tokens behind it, beyond a character: bytes that have tokens of their own are a
  /// text only if all bytes of their run are.
  public func isByte(_ id: Int32) -> Bool {
    guard definition.decoder?.contains(.byteFallback) == true, definition.hasToken(id) else { return false }
    return DecoderStep.byte(of: definition.tokens[Int(id)]) != nil
  }

  /// The text by which `tokens` continue a prompt. It is the rest of the text of all tokens together after the prompt's
  /// text, because a decoder may remove a space at the beginning, or read bytes across the border.
  public func continuation(of prompt: [Int32], by tokens: [Int32]) -> String {
    func text(_ ids: [Int32]) -> String { decode(ids, skipSpecialTokens: true) }
    func continuation(of context: [Int32]) -> String? {
      let (before, all) = (text(context).utf8, text(context + tokens).utf8)
      return all.starts(with: before) ? String(decoding: all.dropFirst(before.count), as: UTF8.self) : nil
    }
    if let whole = continuation(of: prompt) { return whole }
    // New bytes may change the last character of the prompt. Then the context begins with the last token that is no
    // byte.
    let word = prompt.last { definition.hasToken($0) && DecoderStep.byte(of: definition.tokens[Int($0)]) == nil }
    return word.flatMap { continuation(of: [$0]) } ?? text(tokens)
  }

  // MARK: Writing

  /// The files of this tokenizer in a Hugging Face folder, by name. If it was read from a folder, these are its files
  /// as they were. If it was read from GGUF, these are a `tokenizer.json` and a `tokenizer_config.json` with which
  /// `tokenizers` and `transformers` give the same ids.
  public func huggingFaceFiles() throws -> [String: Data] {
    switch source {
    case .huggingFace(let files): files
    case .gguf: HuggingFaceWriter.files(for: definition)
    }
  }

  /// The tokenizer as GGUF metadata: as it was if it was read from GGUF, else built for llama.cpp.
  ///
  /// GGUF has no keys for NFC (llama.cpp applies none to the text of a Qwen2 tokenizer), nor for `lstrip`, `rstrip` and
  /// `single_word` of added tokens; these are left out. llama.cpp puts a space before a SentencePiece text always or
  /// never, so `first` becomes always. Otherwise the ids are the same.
  ///
  /// - Throws: `TokenizerError.notExpressible` if llama.cpp has no pre-tokenizer or rule for it.
  public func ggufVocabulary() throws -> GGUFVocabulary {
    switch source {
    case .huggingFace: try GGUFExport.vocabulary(for: definition)
    case .gguf(let vocabulary): vocabulary
    }
  }

  /// Bytes that are equal for equal tokenizers, for callers to hash: the definition as a compact `tokenizer.json`. They
  /// do not depend on the source or its layout.
  public func canonicalBytes() -> Data { HuggingFaceWriter.data(HuggingFaceWriter.tokenizer(definition)) }
}
