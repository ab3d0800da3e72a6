import Tokenizers

extension Tokenizer {
  /// Tokens that mark structure rather than text: never drawn when text is sampled.
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
    return plain.isEmpty ? (0..<Int32(vocabularySize)).filter { !isSpecial($0) } : plain
  }
}

extension Tokenizer {
  /// The tokens of a text as perplexity is measured on it: the whole text at once, the beginning-of-sequence token only
  /// before the very start, and only where the tokenizer's own rule adds one.
  public func runningTokens(_ text: String) -> [Int32] {
    let tokens = encode(text, addSpecialTokens: false)
    guard addsBOS, let bosToken else { return tokens }
    return [bosToken] + tokens
  }
}
