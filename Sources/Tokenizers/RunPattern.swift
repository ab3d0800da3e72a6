/// Expressions that match some runs of a text and leave the text between them. Both are pieces.
///
/// The raw values are the spellings in a `tokenizer.json`. llama.cpp cuts words with these expressions if a model does
/// not name a pre-tokenizer (`LLAMA_VOCAB_PRE_TYPE_DEFAULT`).
enum RunPattern: String, CaseIterable, Sendable {
  /// Punctuation, and the symbols of ASCII but the backtick.
  case punctuation = #"[\p{P}\$\+<=>\^~\|]+"#
  case numbers = #"\p{N}+"#
  case threeDigits = "[0-9][0-9][0-9]"

  /// Cuts `range` of `text` (valid UTF-8) at the ends of the matches, and appends the parts to `pieces`.
  func split(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, into pieces: inout [Range<Int>]) {
    switch self {
    case .punctuation: splitRuns(text, range, into: &pieces, of: UnicodeClass.isPunctuationRun)
    case .numbers: splitRuns(text, range, into: &pieces, of: UnicodeClass.isNumber)
    case .threeDigits: Self.splitThreeDigits(text, range, into: &pieces)
    }
  }

  private static func splitThreeDigits(
    _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, into pieces: inout [Range<Int>]
  ) {
    var start = range.lowerBound
    var digits = 0
    for position in range {
      digits = text[position] >= 0x30 && text[position] <= 0x39 ? digits + 1 : 0
      guard digits == 3 else { continue }
      if start < position - 2 { pieces.append(start..<position - 2) }
      pieces.append(position - 2..<position + 1)
      start = position + 1
      digits = 0
    }
    if start < range.upperBound { pieces.append(start..<range.upperBound) }
  }
}

/// Cuts `range` of `text` (valid UTF-8) at both ends of each run of matching scalars, and appends the parts to
/// `pieces`.
///
/// - Parameter each: whether every matching scalar is a part of its own.
@inline(__always)
func splitRuns(
  _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, into pieces: inout [Range<Int>], each: Bool = false,
  of matches: (UInt32) -> Bool
) {
  var start = range.lowerBound
  var position = start
  var wasMatch = false
  while position < range.upperBound {
    let (value, length) = decodeScalar(text, at: position)
    let isMatch = matches(value)
    if position > start, isMatch != wasMatch || isMatch && each {
      pieces.append(start..<position)
      start = position
    }
    wasMatch = isMatch
    position += length
  }
  if start < position { pieces.append(start..<position) }
}
