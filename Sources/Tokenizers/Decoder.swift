/// One step of the decoder. Each step takes the texts of the tokens and returns other texts; those of the last step are
/// joined.
enum DecoderStep: Sendable, Equatable {
  /// Reads the tokens as `ByteAlphabet` and joins them; a token with a character outside it stands for its UTF-8.
  case byteLevel
  /// Turns runs of tokens such as `<0xE2>` into the text of these bytes, or into one U+FFFD a byte if the run is not
  /// UTF-8.
  case byteFallback
  /// Joins the tokens.
  case fuse
  /// Replaces every occurrence of a pattern in each token.
  case replace(pattern: [UInt8], content: [UInt8])
  /// Removes up to so many of this scalar from the start and the end of each token.
  case strip(content: [UInt8], start: Int, stop: Int)
  /// Replaces marks by spaces; in the first token removes them, unless the scheme never put one there.
  case metaspace(mark: [UInt8], scheme: PrependScheme)

  static let supported = ["ByteFallback", "ByteLevel", "Fuse", "Metaspace", "Replace", "Sequence", "Strip"]

  private static let replacementCharacter = Array("\u{FFFD}".utf8)

  func apply(to tokens: [[UInt8]]) -> [[UInt8]] {
    switch self {
    case .byteLevel:
      let bytes = tokens.flatMap { ByteAlphabet.decode($0[...]) ?? $0 }
      return [Array(String(decoding: bytes, as: UTF8.self).utf8)]
    case .byteFallback:
      return Self.joinBytes(tokens)
    case .fuse:
      return [Array(tokens.joined())]
    case .replace(let pattern, let content):
      return tokens.map { replacing(pattern, with: content, in: $0) }
    case .strip(let content, let start, let stop):
      return tokens.map { Self.strip($0, content, start: start, stop: stop) }
    case .metaspace(let mark, let scheme):
      return tokens.enumerated().map { index, token in
        replacing(mark, with: index == 0 && scheme != .never ? [] : [0x20], in: token)
      }
    }
  }

  /// What the step makes of a token in the midst of a text. Nothing is stripped there, and bytes need not be UTF-8.
  func bytes(of token: [UInt8]) -> [UInt8] {
    switch self {
    case .byteLevel: ByteAlphabet.decode(token[...]) ?? token
    case .byteFallback: Self.byte(of: token).map { [$0] } ?? token
    case .replace(let pattern, let content): replacing(pattern, with: content, in: token)
    case .metaspace(let mark, _): replacing(mark, with: [0x20], in: token)
    case .fuse, .strip: token
    }
  }

  /// The byte that a token such as `<0x0A>` stands for.
  static func byte(of token: some Collection<UInt8>) -> UInt8? {
    guard token.count == 6, token.starts(with: "<0x".utf8) else { return nil }
    let digits = String(decoding: token.dropFirst(3), as: UTF8.self)
    guard digits.utf8.last == UInt8(ascii: ">"), digits.first?.isHexDigit == true else { return nil }
    return UInt8(digits.dropLast(), radix: 16)
  }

  /// The token that stands for a byte.
  static func token(of byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return "<0x\(digits.count == 1 ? "0" : "")\(digits)>"
  }

  private static func joinBytes(_ tokens: [[UInt8]]) -> [[UInt8]] {
    var result: [[UInt8]] = []
    var run: [UInt8] = []
    func flush() {
      guard !run.isEmpty else { return }
      if String(validating: run, as: UTF8.self) != nil {
        result.append(run)
      } else {
        result.append(contentsOf: repeatElement(replacementCharacter, count: run.count))
      }
      run.removeAll()
    }
    for token in tokens {
      if let byte = byte(of: token) {
        run.append(byte)
      } else {
        flush()
        result.append(token)
      }
    }
    flush()
    return result
  }

  private static func strip(_ token: [UInt8], _ content: [UInt8], start: Int, stop: Int) -> [UInt8] {
    var token = token[...]
    for _ in 0..<min(start, token.count) where token.starts(with: content) { token = token.dropFirst(content.count) }
    for _ in 0..<min(stop, token.count) where token.suffix(content.count).elementsEqual(content) {
      token = token.dropLast(content.count)
    }
    return Array(token)
  }
}
