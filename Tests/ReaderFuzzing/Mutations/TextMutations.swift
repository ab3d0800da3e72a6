/// Changes of JSON, YAML and texts like them, word by word.
extension Mutator {
  mutating func changeText(_ bytes: inout [UInt8]) {
    let tokens = TextTokens.ranges(of: bytes)
    guard tokens.count > 1 else { return changeBytes(&bytes) }
    let index = below(tokens.count)
    let token = tokens[index]
    switch below(12) {
    case 0, 1: replace(valueNear(index, tokens, bytes), with: odd(), &bytes)
    case 2: replace(token, with: Array(bytes[tokens[below(tokens.count)]]), &bytes)
    case 3: swapTokens(index, below(tokens.count), tokens, &bytes)
    case 4: bytes.removeSubrange(member(from: index, tokens, bytes))
    case 5:
      let range = member(from: index, tokens, bytes)
      let copy = Array(bytes[range])
      bytes.insert(contentsOf: copy, at: tokens[below(tokens.count)].lowerBound)
    case 6: duplicateMember(from: index, tokens, &bytes)
    case 7: replace(token, with: quotedLike(bytes[token], pick(words) ?? []), &bytes)
    case 8: bytes.insert(contentsOf: pick(words) ?? [], at: token.lowerBound)
    case 9: changeNumber(near: index, tokens, &bytes)
    case 10: nest(token, &bytes)
    default: changeLines(&bytes)
    }
  }

  private func replace(_ range: Range<Int>, with text: [UInt8], _ bytes: inout [UInt8]) {
    bytes.replaceSubrange(range, with: text)
  }

  /// A value that readers may not expect.
  private mutating func odd() -> [UInt8] {
    pick(Self.oddValues) ?? []
  }

  private static let oddValues = #"""
    0 -0 -1 1 2 0.0 -0.5 1.0 3.0 1e308 1e309 -1e308 1e-320 4294967296 2147483647 2147483648 -2147483648
    9007199254740993 9223372036854775807 9223372036854775808 -9223372036854775808 18446744073709551616 100000
    1e6 1e18 null true false NaN Infinity -Infinity "" [] {} [null] [[]] "\ud800" "\u0000" "é" "é" "1" "NaN"
    "\n" [0] ~ *a &a !!int "a\"b"
    """#.split(whereSeparator: \.isWhitespace).map { Array($0.utf8) }

  private mutating func valueNear(_ index: Int, _ tokens: [Range<Int>], _ bytes: [UInt8]) -> Range<Int> {
    // Behind a colon there is a value; elsewhere any word will do.
    let next = tokens[index...].prefix(8).firstIndex { bytes[$0.lowerBound] == UInt8(ascii: ":") }
    guard let next, next + 1 < tokens.count else { return tokens[index] }
    let value = tokens[next + 1]
    // Now and then the whole list or object.
    return below(2) == 0 ? value.lowerBound..<TextTokens.end(ofValueAt: next + 1, tokens, bytes) : value
  }

  private func swapTokens(_ a: Int, _ b: Int, _ tokens: [Range<Int>], _ bytes: inout [UInt8]) {
    let (first, second) = (tokens[min(a, b)], tokens[max(a, b)])
    guard a != b else { return }
    let (early, late) = (Array(bytes[first]), Array(bytes[second]))
    bytes.replaceSubrange(second, with: early)
    bytes.replaceSubrange(first, with: late)
  }

  /// From a token to the end of the value that begins there, or behind its colon, with the comma.
  private func member(from index: Int, _ tokens: [Range<Int>], _ bytes: [UInt8]) -> Range<Int> {
    var last = index
    if index + 2 < tokens.count, bytes[tokens[index + 1].lowerBound] == UInt8(ascii: ":") { last = index + 2 }
    var end = TextTokens.end(ofValueAt: last, tokens, bytes)
    if let next = tokens.first(where: { $0.lowerBound >= end }), bytes[next.lowerBound] == UInt8(ascii: ",") {
      end = next.upperBound
    }
    return tokens[index].lowerBound..<end
  }

  private func duplicateMember(from index: Int, _ tokens: [Range<Int>], _ bytes: inout [UInt8]) {
    let range = member(from: index, tokens, bytes)
    let copy = Array(bytes[range])
    bytes.insert(contentsOf: copy, at: range.upperBound)
  }

  /// A word in quotes where it takes the place of one in quotes.
  private func quotedLike(_ token: ArraySlice<UInt8>, _ word: [UInt8]) -> [UInt8] {
    let quote = UInt8(ascii: "\"")
    return token.first == quote && word.first != quote ? [quote] + word + [quote] : word
  }

  private mutating func changeNumber(near index: Int, _ tokens: [Range<Int>], _ bytes: inout [UInt8]) {
    let found = tokens[index...].first { (0x30...0x39).contains(bytes[$0.lowerBound]) }
    guard let token = found else { return }
    switch below(6) {
    case 0: bytes.insert(UInt8(ascii: "-"), at: token.lowerBound)
    case 1: bytes.insert(contentsOf: Array(".5".utf8), at: token.upperBound)
    case 2: bytes.insert(contentsOf: Array("e400".utf8), at: token.upperBound)
    case 3: bytes.insert(contentsOf: Array("000000000".utf8), at: token.upperBound)
    case 4: bytes[token.lowerBound + below(token.count)] = UInt8(0x30 + below(10))
    default: bytes.remove(at: token.lowerBound)
    }
  }

  private mutating func nest(_ token: Range<Int>, _ bytes: inout [UInt8]) {
    let depth = pick([1, 2, 63, 64, 100, 600, 3000]) ?? 1
    let kind: (open: String, close: String) = below(3) == 0 ? ("{\"a\":", "}") : ("[", "]")
    let closing = below(4) == 0 ? "" : String(repeating: kind.close, count: depth)
    bytes.insert(contentsOf: Array(closing.utf8), at: token.upperBound)
    bytes.insert(contentsOf: Array(String(repeating: kind.open, count: depth).utf8), at: token.lowerBound)
  }

  private mutating func changeLines(_ bytes: inout [UInt8]) {
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map(Array.init)
    let (i, j) = (below(lines.count), below(lines.count))
    switch below(5) {
    case 0: lines.remove(at: i)
    case 1: lines.insert(lines[i], at: j)
    case 2: lines.swapAt(i, j)
    case 3: lines[i] = [0x20, 0x20] + lines[i]
    default: lines[i] = Array(lines[i].drop { $0 == 0x20 })
    }
    bytes = Array(lines.joined(separator: [UInt8(ascii: "\n")]))
  }
}

/// The words of a text: strings in quotes, names and numbers, and single marks.
enum TextTokens {
  static func ranges(of bytes: [UInt8]) -> [Range<Int>] {
    var tokens: [Range<Int>] = []
    var position = 0
    while position < bytes.count {
      let start = position
      position += 1
      switch bytes[start] {
      case 0x20, 0x09, 0x0A, 0x0D: continue
      case UInt8(ascii: "\""):
        while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
          position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
        }
        position = min(position + 1, bytes.count)
      case let byte where isWord(byte):
        while position < bytes.count, isWord(bytes[position]) { position += 1 }
      default: break
      }
      tokens.append(start..<position)
    }
    return tokens
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x80...: true
    default: "_.+-/@".utf8.contains(byte)
    }
  }

  /// Where the value that begins at a token ends: behind its last bracket.
  static func end(ofValueAt index: Int, _ tokens: [Range<Int>], _ bytes: [UInt8]) -> Int {
    var depth = 0
    for token in tokens[index...] {
      switch bytes[token.lowerBound] {
      case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
      case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
      default: break
      }
      if depth <= 0 { return token.upperBound }
    }
    return bytes.count
  }
}
