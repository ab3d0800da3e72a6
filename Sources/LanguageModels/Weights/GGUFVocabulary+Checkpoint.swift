import Checkpoints
import Tokenizers

extension GGUFVocabulary {
  /// Values of `tokenizer.ggml.model` that stand for none.
  public static var modelsWithoutTokens: [String] { ["no_vocab", "none"] }

  /// Reads the `tokenizer.ggml.*` keys of a GGUF file.
  public init(_ file: GGUFFile) throws {
    func token(_ name: String) throws -> Int32? {
      try file.integerIfPresent("tokenizer.ggml.\(name)_token_id").flatMap { Int32(exactly: $0) }
    }
    let model = try file.string("tokenizer.ggml.model")
    if Self.modelsWithoutTokens.contains(model) {
      throw TokenizerError.noTokenizer(path: file.location.path, model: model)
    }
    self.init(
      model: model,
      pre: try file.stringIfPresent("tokenizer.ggml.pre"),
      tokens: try file.strings("tokenizer.ggml.tokens"),
      scores: try file.floatsIfPresent("tokenizer.ggml.scores")?.map { Float($0) },
      tokenTypes: try file.integersIfPresent("tokenizer.ggml.token_type")?.map { Int32(truncatingIfNeeded: $0) },
      merges: try file.stringsIfPresent("tokenizer.ggml.merges") ?? [])
    (bosToken, eosToken) = (try token("bos"), try token("eos"))
    (unknownToken, paddingToken) = (try token("unknown"), try token("padding"))
    addBOS = try file.boolIfPresent("tokenizer.ggml.add_bos_token")
    addEOS = try file.boolIfPresent("tokenizer.ggml.add_eos_token")
    addSpacePrefix = try file.boolIfPresent("tokenizer.ggml.add_space_prefix")
    chatTemplate = try file.stringIfPresent("tokenizer.chat_template")
  }
}
