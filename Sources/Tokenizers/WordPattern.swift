/// The regular expressions with which byte-level BPE cuts text into words, matched by hand-written scanners.
///
/// Each expression covers every character, so cutting at its matches (behaviour `Isolated`) and keeping only the
/// matches (`Removed`, inverted) are the same.
enum WordPattern: Sendable, Equatable {
  /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  case gpt2
  /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|…`
  case llama3
  /// As `llama3`, with `\p{N}`: every digit alone.
  case qwen2

  /// The spelling that is written into a `tokenizer.json`.
  var expression: String {
    switch self {
    case .gpt2:
      return #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
    case .llama3:
      return #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"#
        + #" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    case .qwen2:
      return #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"#
        + #" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    }
  }

  /// The pattern that this expression spells; nil if it is none of them.
  init?(expression: String) {
    let shortGPT2 = #"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
    switch expression {
    case Self.gpt2.expression, shortGPT2: self = .gpt2
    case Self.llama3.expression: self = .llama3
    case Self.qwen2.expression: self = .qwen2
    default: return nil
    }
  }

  static let names = ["the GPT-2 pattern", "the Llama-3 pattern", "the Qwen2 pattern"]

  /// Cuts `range` of `text` (valid UTF-8) into the pattern's matches and appends them to `pieces`.
  func split(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, into pieces: inout [Range<Int>]) {
    UnicodeClass.basicPlane.withUnsafeBufferPointer { classes in
      let scanner = WordScanner(text: text, end: range.upperBound, classes: classes)
      var start = range.lowerBound
      while start < range.upperBound {
        let end =
          switch self {
          case .gpt2: scanner.gpt2Match(at: start)
          case .llama3: scanner.llama3Match(at: start, digits: 3)
          case .qwen2: scanner.llama3Match(at: start, digits: 1)
          }
        pieces.append(start..<end)
        start = end
      }
    }
  }
}

/// Finds the end of a match that begins at a given place. The alternatives are tried in the order of the expression, as
/// a backtracking matcher does.
private struct WordScanner {
  let text: UnsafeBufferPointer<UInt8>
  let end: Int
  let classes: UnsafeBufferPointer<UInt8>

  private static let letter = UnicodeClass.letter.rawValue
  private static let number = UnicodeClass.number.rawValue
  private static let space = UnicodeClass.space.rawValue
  private static let other = UnicodeClass.other.rawValue

  /// The class and length of the scalar at `position`; nil at the end.
  @inline(__always)
  private func scalar(at position: Int) -> (kind: UInt8, length: Int)? {
    guard position < end else { return nil }
    let (value, length) = decodeScalar(text, at: position)
    return (value < 0x10000 ? classes[Int(value)] : UnicodeClass.computed(value), length)
  }

  /// The end of the run of `kind` that begins at `position`, of at most `limit` scalars.
  @inline(__always)
  private func run(of kind: UInt8, from position: Int, limit: Int = .max) -> Int {
    var position = position
    var count = 0
    while count < limit, let next = scalar(at: position), next.kind == kind {
      position += next.length
      count += 1
    }
    return position
  }

  private func isNewline(_ position: Int) -> Bool {
    position < end && (text[position] == 0x0A || text[position] == 0x0D)
  }

  func gpt2Match(at start: Int) -> Int {
    if let end = contraction(at: start, ignoringCase: false) { return end }
    guard let first = scalar(at: start) else { return end }
    if first.kind != Self.space { return run(of: first.kind, from: start + first.length) }
    // " ?" before a word, a number or other characters
    if text[start] == 0x20, let second = scalar(at: start + 1), second.kind != Self.space {
      return run(of: second.kind, from: start + 1)
    }
    return spaces(at: start)
  }

  func llama3Match(at start: Int, digits: Int) -> Int {
    if let end = contraction(at: start, ignoringCase: true) { return end }
    guard let first = scalar(at: start) else { return end }
    let next = start + first.length
    switch first.kind {
    case Self.letter: return run(of: Self.letter, from: next)
    case Self.number: return run(of: Self.number, from: start, limit: digits)
    default: break
    }
    // [^\r\n\p{L}\p{N}]?\p{L}+
    if !isNewline(start), let second = scalar(at: next), second.kind == Self.letter {
      return run(of: Self.letter, from: next)
    }
    // ` ?[^\s\p{L}\p{N}]+[\r\n]*`
    let othersStart = text[start] == 0x20 ? start + 1 : start
    let othersEnd = run(of: Self.other, from: othersStart)
    if othersEnd > othersStart {
      var position = othersEnd
      while isNewline(position) { position += 1 }
      return position
    }
    // \s*[\r\n]+ ends after the last line break of the run of spaces
    let runEnd = run(of: Self.space, from: start)
    var position = runEnd
    while position > start, !isNewline(position - 1) { position -= 1 }
    return position > start ? position : spaces(at: start)
  }

  /// `\s+(?!\S)|\s+`: a run of spaces, without its last one if a word follows, unless that is the only one.
  private func spaces(at start: Int) -> Int {
    let runEnd = run(of: Self.space, from: start)
    if runEnd == end { return runEnd }
    var last = runEnd - 1
    while text[last] & 0xC0 == 0x80 { last -= 1 }
    return last > start ? last : runEnd
  }

  /// `'s|'t|'re|'ve|'m|'ll|'d`. Ignoring case, ſ (U+017F) counts as s, by Unicode case folding.
  private func contraction(at start: Int, ignoringCase: Bool) -> Int? {
    guard text[start] == UInt8(ascii: "'"), start + 1 < end else { return nil }
    let fold: UInt8 = ignoringCase ? 0x20 : 0
    func letter(_ position: Int) -> UInt8 {
      guard position < end, text[position] < 0x80 else { return 0 }
      let byte = text[position]
      return byte >= 0x41 && byte <= 0x5A ? byte | fold : byte
    }
    switch letter(start + 1) {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
      return start + 2
    case UInt8(ascii: "r") where letter(start + 2) == UInt8(ascii: "e"),
      UInt8(ascii: "v") where letter(start + 2) == UInt8(ascii: "e"),
      UInt8(ascii: "l") where letter(start + 2) == UInt8(ascii: "l"):
      return start + 3
    default:
      let isLongS = ignoringCase && start + 2 < end && text[start + 1] == 0xC5 && text[start + 2] == 0xBF
      return isLongS ? start + 3 : nil
    }
  }
}
