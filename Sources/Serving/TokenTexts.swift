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
  ///   - place: code points before the first, and then before what follows the last, as their bytes say.
  ///   - start: code points before the text that they are of, which all places exceed or equal.
  ///   - hidden: number of the first of them that stand for nothing in the text.
  ///   - skipsSpecial: whether the text is without special tokens.
  ///   - isBeginning: whether the text begins with them: decoders may drop a space there.
  ///   - end: code points of the whole text, which no place exceeds.
  func offsets(
    of tokens: [Int32], at place: inout Int, from start: Int, hidden: Int = 0, skipsSpecial: Bool = false,
    isBeginning: Bool = false, end: Int
  ) -> [Int] {
    let shown = tokens.dropFirst(hidden)
    if isBeginning, let first = shown.first {
      let (bytes, decoded) = (tokenizer.bytes(of: first), tokenizer.decode([first], skipSpecialTokens: false))
      if bytes.first == 0x20, decoded.utf8.count == bytes.count - 1 { place -= 1 }
    }
    return tokens.enumerated().map { number, token in
      defer {
        // A byte that continues a character begins none.
        if number >= hidden, !(skipsSpecial && tokenizer.isSpecial(token)) {
          place += tokenizer.bytes(of: token).count { $0 & 0xC0 != 0x80 }
        }
      }
      return max(start, min(place, end))
    }
  }
}
