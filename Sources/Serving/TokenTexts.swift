import Checkpoints
import LanguageModels
import Tokenizers

/// The texts of tokens, and where they stand in a text, as the protocol wants them.
struct TokenTexts: Sendable {
  let tokenizer: Tokenizer

  /// The text of a token; of one that is no text alone, its bytes in hexadecimal digits.
  func text(of token: Int32) -> String {
    let bytes = tokenizer.bytes(of: token)
    if let text = String(validating: bytes, as: UTF8.self) { return text }
    let digits = bytes.map { byte in
      let digits = String(byte, radix: 16)
      return "\\x" + (digits.count == 1 ? "0" : "") + digits
    }
    return "bytes:" + digits.joined()
  }

  /// Code points before each of some tokens.
  ///
  /// - Parameters:
  ///   - start: code points before the first.
  ///   - hidden: number of the first of them that stand for nothing in the text.
  ///   - isBeginning: whether the text begins with them: decoders may drop a space there.
  ///   - end: code points of the whole text, which no place exceeds.
  func offsets(of tokens: [Int32], from start: Int, hidden: Int, isBeginning: Bool, end: Int) -> [Int] {
    let shown = tokens.dropFirst(hidden)
    var place = start
    if isBeginning, let first = shown.first {
      let (bytes, decoded) = (tokenizer.bytes(of: first), tokenizer.decode([first], skipSpecialTokens: false))
      if bytes.first == 0x20, decoded.utf8.count == bytes.count - 1 { place -= 1 }
    }
    return tokens.enumerated().map { number, token in
      defer {
        // A byte that continues a character begins none.
        if number >= hidden { place += tokenizer.bytes(of: token).count { $0 & 0xC0 != 0x80 } }
      }
      return max(start, min(place, end))
    }
  }
}
