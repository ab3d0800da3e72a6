import Foundation

/// Unicode normalisation form C over UTF-8.
///
/// The reference implementation normalises by the data of Unicode 9: a character assigned later is a starter that
/// neither decomposes nor composes. This implementation does the same with any Unicode version of the Swift runtime.
///
/// Source: Unicode Standard Annex 15, and section 3.12 of the Unicode Standard for Hangul.
struct CanonicalComposition: Sendable {
  static let shared = CanonicalComposition()

  private static let version = 9
  /// The blocks in which the scalars with a canonical decomposition lie (Hangul syllables apart).
  private static let decomposableRanges: [ClosedRange<UInt32>] = [
    0xC0...0x2FFF, 0x3040...0x30FF, 0xF900...0xFAFF, 0xFB00...0xFB4F, 0x11000...0x11FFF, 0x1D100...0x1D1FF,
    0x2F800...0x2FA1F,
  ]

  private struct Pair: Hashable {
    var first: UInt32
    var second: UInt32
  }

  /// Full canonical decompositions.
  private var decompositions: [UInt32: [UInt32]] = [:]
  private var compositions: [Pair: UInt32] = [:]
  /// The scalars that may change or take part in a change: all but starters that stay as they are and never join a
  /// scalar before them. One flag for each scalar of the Basic Multilingual Plane, and a set of the others.
  private var isActive = [Bool](repeating: false, count: 0x10000)
  private var activeSupplementary: Set<UInt32> = []

  private init() {
    var composites: [(scalar: UInt32, parts: [UInt32])] = []
    for value in Self.decomposableRanges.joined() {
      guard let scalar = Unicode.Scalar(value), Self.isAssigned(scalar) else { continue }
      let parts = String(Character(scalar)).decomposedStringWithCanonicalMapping.unicodeScalars.map(\.value)
      guard parts != [value] else { continue }
      decompositions[value] = parts
      if scalar.properties.isFullCompositionExclusion { activate(value) } else { composites.append((value, parts)) }
    }
    // A composite of three or more parts is the composite of all but the last, and the last.
    let byParts = Dictionary(composites.map { ($0.parts, $0.scalar) }) { first, _ in first }
    for (scalar, parts) in composites {
      let head = Array(parts.dropLast())
      guard let second = parts.last, let first = head.count == 1 ? head[0] : byParts[head] else { continue }
      compositions[Pair(first: first, second: second)] = scalar
      activate(second)
    }
    for value in Hangul.vowels.lowerBound...Hangul.lastTrailing { activate(value) }
    for value in UInt32(0x300)...0x1FFFF where combiningClass(value) != 0 { activate(value) }
  }

  private mutating func activate(_ value: UInt32) {
    if value < 0x10000 { isActive[Int(value)] = true } else { activeSupplementary.insert(value) }
  }

  private static func isAssigned(_ scalar: Unicode.Scalar) -> Bool {
    (scalar.properties.age?.major ?? .max) <= version
  }

  private func combiningClass(_ value: UInt32) -> UInt8 {
    guard let scalar = Unicode.Scalar(value) else { return 0 }
    let combiningClass = scalar.properties.canonicalCombiningClass.rawValue
    return combiningClass != 0 && Self.isAssigned(scalar) ? combiningClass : 0
  }

  /// The form C of `text`, which is valid UTF-8.
  func compose(_ text: [UInt8]) -> [UInt8] {
    // Scalars below U+0300 are inert. In UTF-8 they begin with a byte below 0xCC.
    guard text.contains(where: { $0 >= 0xCC }) else { return text }
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var segment: [UInt32] = []
    var position = 0
    /// The place of the last starter that may join the next scalars.
    var starter = 0
    /// The part of `text` before this place is in `result`.
    var copied = 0
    while position < text.count {
      let (value, length) = decodeScalar(text, at: position)
      guard isActive(value) else {
        starter = position
        position += length
        continue
      }
      result.append(contentsOf: text[copied..<starter])
      segment.removeAll(keepingCapacity: true)
      position = starter
      while position < text.count {
        let (value, length) = decodeScalar(text, at: position)
        if position > starter, !isActive(value) { break }
        appendDecomposition(of: value, to: &segment)
        position += length
      }
      for value in composed(segment) {
        result.append(contentsOf: Unicode.Scalar(value).flatMap { UTF8.encode($0) } ?? UTF8.encodedReplacementCharacter)
      }
      copied = position
      starter = position
    }
    result.append(contentsOf: text[copied...])
    return result
  }

  private func isActive(_ value: UInt32) -> Bool {
    value < 0x10000 ? isActive[Int(value)] : activeSupplementary.contains(value)
  }

  private func appendDecomposition(of value: UInt32, to segment: inout [UInt32]) {
    if let parts = decompositions[value] {
      segment.append(contentsOf: parts)
    } else {
      Hangul.appendDecomposition(of: value, to: &segment)
    }
  }

  /// Puts marks into canonical order and joins what has a composite.
  private func composed(_ decomposed: [UInt32]) -> [UInt32] {
    var scalars = decomposed.map { (value: $0, combiningClass: combiningClass($0)) }
    for end in scalars.indices where scalars[end].combiningClass != 0 {
      var index = end
      while index > 0, scalars[index - 1].combiningClass > scalars[index].combiningClass {
        scalars.swapAt(index - 1, index)
        index -= 1
      }
    }
    var result: [UInt32] = []
    var starter: Int?
    var lastClass: UInt8 = 0
    for (value, combiningClass) in scalars {
      if let starter {
        let isAdjacent = starter == result.count - 1
        // A mark is blocked by one of the same or a higher class between it and the starter.
        if isAdjacent || lastClass != 0 && lastClass < combiningClass,
          let composite = composite(of: result[starter], value)
        {
          result[starter] = composite
          continue
        }
      }
      result.append(value)
      if combiningClass == 0 { starter = result.count - 1 }
      lastClass = combiningClass
    }
    return result
  }

  private func composite(of first: UInt32, _ second: UInt32) -> UInt32? {
    Hangul.composite(of: first, second) ?? compositions[Pair(first: first, second: second)]
  }
}

/// Hangul syllables, which compose by arithmetic: syllable = (leading · 21 + vowel) · 28 + trailing.
private enum Hangul {
  static let syllables: Range<UInt32> = 0xAC00..<0xD7A4
  static let leading: Range<UInt32> = 0x1100..<0x1113
  static let vowels: Range<UInt32> = 0x1161..<0x1176
  /// The first of these stands for no trailing consonant.
  static let trailing: Range<UInt32> = 0x11A7..<0x11C3
  static let lastTrailing: UInt32 = 0x11C2

  /// Appends the parts of a syllable, or any other scalar as it is.
  static func appendDecomposition(of value: UInt32, to scalars: inout [UInt32]) {
    guard syllables.contains(value) else {
      scalars.append(value)
      return
    }
    let index = value - syllables.lowerBound
    scalars.append(leading.lowerBound + index / (21 * 28))
    scalars.append(vowels.lowerBound + index % (21 * 28) / 28)
    if index % 28 != 0 { scalars.append(trailing.lowerBound + index % 28) }
  }

  static func composite(of first: UInt32, _ second: UInt32) -> UInt32? {
    if leading.contains(first), vowels.contains(second) {
      return syllables.lowerBound + ((first - leading.lowerBound) * 21 + second - vowels.lowerBound) * 28
    }
    if syllables.contains(first), (first - syllables.lowerBound) % 28 == 0, trailing.contains(second),
      second != trailing.lowerBound
    {
      return first + second - trailing.lowerBound
    }
    return nil
  }
}
