import Tokenizers

extension Tokenizer {
  /// Tokens that mark structure rather than text. Sampled text never contains them.
  var specialTokens: [Int32] {
    (0..<Int32(vocabularySize)).filter { isSpecial($0) }
  }

  /// Tokens that decode to text of their own: letters, possibly after one space.
  var plainTokens: [Int32] {
    let plain = (0..<Int32(vocabularySize)).filter { id in
      if isSpecial(id) { return false }
      let text = decode([id], skipSpecialTokens: false).unicodeScalars
      return !text.isEmpty && text.allSatisfy { $0.properties.isAlphabetic || $0 == " " }
    }
    return plain.isEmpty ? (0..<Int32(vocabularySize)).filter { !isSpecial($0) && token(for: $0) != nil } : plain
  }

  /// The tokens of a text for a perplexity: the whole text at once. The tokens that the tokenizer puts before a text
  /// (usually BOS or none) stand only at the very start. Running text has no end, so nothing is put after it.
  public func runningTokens(_ text: String) -> [Int32] {
    prefix + encode(text, addSpecialTokens: false)
  }
}
