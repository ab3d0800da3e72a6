/// A token that is found in the text before any other step: `<|im_start|>`, `</s>`.
struct AddedToken: Sendable, Equatable {
  var id: Int32
  var content: [UInt8]
  /// Matches only if no word character stands on either side.
  var singleWord = false
  /// Takes the white space before it.
  var stripsLeft = false
  /// Takes the white space after it.
  var stripsRight = false
  /// Is normalised and matched in the normalised text, not in the text as written.
  var normalized = false
  /// Is left out of decoded text on request.
  var special = true
}

/// Finds added tokens in text: at each place the longest, from the left, without overlap.
struct AddedTokenMatcher: Sendable {
  /// A part of the text: an added token, or text between them.
  enum Part: Equatable {
    case token(Int32)
    case text(Range<Int>)
  }

  private let tokens: [AddedToken]
  /// A trie: (node, byte) to node; node 0 is the root.
  private var edges: [UInt64: Int] = [:]
  /// The token that ends at each node.
  private var ends: [Int?] = [nil]
  private var isFirstByte = [Bool](repeating: false, count: 256)

  /// - Parameter patterns: texts to look for, one for each token; by default the content of the tokens.
  init(_ tokens: [AddedToken], patterns: [[UInt8]]? = nil) {
    self.tokens = tokens
    for (index, pattern) in (patterns ?? tokens.map(\.content)).enumerated() {
      guard let first = pattern.first else { continue }
      isFirstByte[Int(first)] = true
      var node = 0
      for byte in pattern {
        let edge = Self.edge(node, byte)
        if let next = edges[edge] {
          node = next
        } else {
          node = ends.count
          edges[edge] = node
          ends.append(nil)
        }
      }
      if ends[node] == nil { ends[node] = index }
    }
  }

  private static func edge(_ node: Int, _ byte: UInt8) -> UInt64 { UInt64(node) << 8 | UInt64(byte) }

  /// The longest token that begins at `position`, and where it ends.
  private func match(in text: [UInt8], at position: Int) -> (token: AddedToken, end: Int)? {
    var node = 0
    var longest: (token: AddedToken, end: Int)?
    for index in position..<text.count {
      guard let next = edges[Self.edge(node, text[index])] else { break }
      node = next
      if let token = ends[node] { longest = (tokens[token], index + 1) }
    }
    return longest
  }

  /// - Parameter parseSpecial: false leaves special tokens in the text as text.
  /// - Returns: parts that cover `text`, without empty texts.
  func split(_ text: [UInt8], parseSpecial: Bool) -> [Part] {
    if text.isEmpty { return [] }
    if tokens.isEmpty { return [.text(0..<text.count)] }
    var parts: [Part] = []
    /// The start of the text that belongs to no part yet.
    var textStart = 0
    var position = 0
    while position < text.count {
      guard isFirstByte[Int(text[position])], let (token, matchEnd) = match(in: text, at: position) else {
        position += 1
        continue
      }
      defer { position = matchEnd }
      if token.special && !parseSpecial { continue }
      if token.singleWord, endsWithWord(text[..<position]) || startsWithWord(text[matchEnd...]) { continue }
      var start = position
      var end = matchEnd
      if token.stripsLeft { start = max(Self.startOfTrailingSpace(text, before: start), textStart) }
      if token.stripsRight { end = Self.endOfLeadingSpace(text, after: end) }
      if textStart < start { parts.append(.text(textStart..<start)) }
      parts.append(.token(token.id))
      textStart = end
    }
    if textStart < text.count { parts.append(.text(textStart..<text.count)) }
    return parts
  }

  private func startsWithWord(_ text: ArraySlice<UInt8>) -> Bool {
    !text.isEmpty && UnicodeClass.isWord(decodeScalar(text, at: text.startIndex).value)
  }

  private func endsWithWord(_ text: ArraySlice<UInt8>) -> Bool {
    guard let start = text.lastIndex(where: { $0 & 0xC0 != 0x80 }) else { return false }
    return UnicodeClass.isWord(decodeScalar(text, at: start).value)
  }

  private static func startOfTrailingSpace(_ text: [UInt8], before end: Int) -> Int {
    var end = end
    while let start = text[..<end].lastIndex(where: { $0 & 0xC0 != 0x80 }),
      UnicodeClass.isSpace(decodeScalar(text, at: start).value)
    {
      end = start
    }
    return end
  }

  private static func endOfLeadingSpace(_ text: [UInt8], after start: Int) -> Int {
    var start = start
    while start < text.count {
      let (value, length) = decodeScalar(text, at: start)
      guard UnicodeClass.isSpace(value) else { break }
      start += length
    }
    return start
  }
}
