/// The condition under which `Metaspace` puts its mark before the text.
enum PrependScheme: String, Sendable {
  case always, first, never
}

/// One step of the pre-tokenizer, which cuts text into pieces that are encoded one by one.
enum PreTokenizerStep: Sendable, Equatable {
  /// Cuts at the matches of one of the known expressions.
  case split(WordPattern)
  /// Cuts before and after the matches of an expression that leaves text between them.
  case isolate(RunPattern)
  /// Cuts at digits: each alone, or each run of them.
  case digits(individual: Bool)
  /// The step of byte-level BPE: optionally a space before the piece and a cut at the GPT-2 pattern. (That the pieces
  /// are then spelt in `ByteAlphabet` is the encoder's business.)
  case byteLevel(addPrefixSpace: Bool, useRegex: Bool)
  /// Replaces spaces by `mark`, optionally puts it in front, optionally cuts before each.
  case metaspace(mark: [UInt8], scheme: PrependScheme, split: Bool)

  static let supported = ["ByteLevel", "Digits", "Metaspace", "Sequence", "Split with a known Regex"]

  var isByteLevel: Bool { if case .byteLevel = self { true } else { false } }
}

/// Text on its way to the encoder: a buffer of UTF-8 and the pieces of it.
struct PreTokenizedText {
  private(set) var text: [UInt8]
  private(set) var pieces: [Range<Int>]
  /// Whether the text stands at the very beginning of the input.
  private let isFirst: Bool

  init(_ text: [UInt8], isFirst: Bool) {
    self.text = text
    self.isFirst = isFirst
    pieces = text.isEmpty ? [] : [0..<text.count]
  }

  mutating func apply(_ step: PreTokenizerStep) {
    switch step {
    case .split(let pattern):
      cut { text, piece, cuts in pattern.split(text, piece, into: &cuts) }
    case .isolate(let pattern):
      cut { text, piece, cuts in pattern.split(text, piece, into: &cuts) }
    case .digits(let individual):
      cut { text, piece, cuts in splitRuns(text, piece, into: &cuts, each: individual, of: UnicodeClass.isNumeric) }
    case .byteLevel(let addPrefixSpace, let useRegex):
      if addPrefixSpace { prepend([0x20]) { _ in true } }
      if useRegex { apply(.split(.gpt2)) }
    case .metaspace(let mark, let scheme, let split):
      rewrite { _, piece, result in result += replacing([0x20], with: mark, in: Array(piece)) }
      let isFirst = isFirst
      prepend(mark) { index in scheme == .always || scheme == .first && isFirst && index == 0 }
      if split { cut { text, piece, cuts in Self.splitBefore(mark, text, piece, into: &cuts) } }
    }
  }

  private mutating func cut(_ body: (UnsafeBufferPointer<UInt8>, Range<Int>, inout [Range<Int>]) -> Void) {
    var cuts: [Range<Int>] = []
    cuts.reserveCapacity(max(pieces.count, text.count / 4))
    text.withUnsafeBufferPointer { text in
      for piece in pieces { body(text, piece, &cuts) }
    }
    pieces = cuts
  }

  /// Rebuilds the buffer with each piece rewritten.
  private mutating func rewrite(_ body: (Int, ArraySlice<UInt8>, inout [UInt8]) -> Void) {
    var newText: [UInt8] = []
    newText.reserveCapacity(text.count * 2)
    for index in pieces.indices {
      let start = newText.count
      body(index, text[pieces[index]], &newText)
      pieces[index] = start..<newText.count
    }
    text = newText
  }

  private mutating func prepend(_ prefix: [UInt8], where condition: (Int) -> Bool) {
    rewrite { index, piece, result in
      if condition(index), !piece.starts(with: prefix) { result.append(contentsOf: prefix) }
      result.append(contentsOf: piece)
    }
  }

  private static func splitBefore(
    _ mark: [UInt8], _ text: UnsafeBufferPointer<UInt8>, _ piece: Range<Int>, into cuts: inout [Range<Int>]
  ) {
    var start = piece.lowerBound
    for position in piece where position > start && text[position] == mark[0] {
      if position + mark.count <= piece.upperBound, mark.indices.allSatisfy({ text[position + $0] == mark[$0] }) {
        cuts.append(start..<position)
        start = position
      }
    }
    if start < piece.upperBound { cuts.append(start..<piece.upperBound) }
  }
}
