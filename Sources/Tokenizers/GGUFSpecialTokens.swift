/// Rules of llama.cpp for special tokens that a file does not state.
///
/// Source: the loader of llama.cpp's vocabularies.
enum GGUFSpecialTokens {
  /// Tokens that are control tokens with any written type: those that end a generation, and those around a gap to fill.
  private static let control: Set<String> = [
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
    "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>",
    "<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~[",
    "<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>",
    "<|prefix|>",
    "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>", "<|code_suffix|>",
    "<|suffix|>",
    "<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>", "<|code_middle|>", "<|middle|>",
    "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]", "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>",
    "<reponame>", "<|file_sep|>",
  ]
  /// Tokens that a generation shows.
  private static let shown: Set<String> = ["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"]

  /// The type of a token by its text and the one written in `tokenizer.ggml.token_type`.
  static func type(of text: String, written: Int32) -> Int32 {
    if shown.contains(text) { return GGUFVocabulary.TokenType.userDefined }
    return control.contains(text) && !isMatched(written) ? GGUFVocabulary.TokenType.control : written
  }

  /// Whether tokens of a type are recognised in the text as written.
  static func isMatched(_ type: Int32) -> Bool {
    [GGUFVocabulary.TokenType.unknown, GGUFVocabulary.TokenType.control, GGUFVocabulary.TokenType.userDefined]
      .contains(type)
  }

  /// The ids that are put around a text if the file gives none.
  static func defaults(of model: String) -> (bos: Int32, eos: Int32) { model == "gpt2" ? (11, 11) : (1, 2) }
}
