/// One step of the normaliser, which rewrites the text between special tokens before it is cut and encoded.
enum NormalizerStep: Sendable, Equatable {
  /// Canonical composition (Unicode normalisation form C).
  case nfc
  /// Puts `text` before any text that is not empty.
  case prepend([UInt8])
  /// Replaces every occurrence of `pattern` (not empty), from the left.
  case replace(pattern: [UInt8], content: [UInt8])

  static let supported = ["NFC", "Prepend", "Replace with a String pattern", "Sequence"]

  func apply(to text: [UInt8]) -> [UInt8] {
    switch self {
    case .nfc:
      return CanonicalComposition.shared.compose(text)
    case .prepend(let prefix):
      return text.isEmpty ? text : prefix + text
    case .replace(let pattern, let content):
      return replacing(pattern, with: content, in: text)
    }
  }
}

extension [NormalizerStep] {
  func apply(to text: some Collection<UInt8>) -> [UInt8] {
    reduce([UInt8](text)) { $1.apply(to: $0) }
  }
}

/// `text` with every occurrence of `pattern`, found from the left, replaced by `content`.
func replacing(_ pattern: [UInt8], with content: [UInt8], in text: [UInt8]) -> [UInt8] {
  guard let first = pattern.first, text.contains(first) else { return text }
  var result: [UInt8] = []
  result.reserveCapacity(text.count * max(1, content.count) / pattern.count)
  text.withUnsafeBufferPointer { text in
    var position = 0
    while position < text.count {
      if text[position] == first, position + pattern.count <= text.count,
        pattern.indices.allSatisfy({ text[position + $0] == pattern[$0] })
      {
        result.append(contentsOf: content)
        position += pattern.count
      } else {
        result.append(text[position])
        position += 1
      }
    }
  }
  return result
}
