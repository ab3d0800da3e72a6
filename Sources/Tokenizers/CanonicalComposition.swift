import Foundation

/// Unicode normalisation form C over UTF-8.
///
/// The reference implementation normalises by the data of Unicode 9: a character assigned later is a starter that
/// neither decomposes nor composes. This implementation does the same with any Unicode version of the Swift runtime.
///
/// Source: Unicode Standard Annex 15.
struct CanonicalComposition: Sendable {
  static let shared = CanonicalComposition()

  private static let version = 9
  /// The blocks in which the scalars with a canonical decomposition lie.
  private static let decomposableRanges: [ClosedRange<UInt32>] = [
    0xC0...0x2FFF, 0x3040...0x30FF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFB00...0xFB4F, 0x11000...0x11FFF,
    0x1D100...0x1D1FF, 0x2F800...0x2FA1F,
  ]

  private struct Pair: Hashable {
    var first: UInt32
    var second: UInt32
  }

  /// Full canonical decompositions.
  private var decompositions: [UInt32: [UInt32]] = [:]
  private var compositions: [Pair: UInt32] = [:]
  /// The scalars that may change or take part in a change: all but starters that stay as they are and never join a
  /// scalar before them. One flag for each scalar up to the last that may.
  private var isActive = [Bool](repeating: false, count: 0x2FA20)

  private init() {
    var composites: [(scalar: UInt32, parts: [UInt32])] = []
    for value in Self.decomposableRanges.joined() {
      guard let scalar = Unicode.Scalar(value), UnicodeClass.isAssigned(scalar.properties, by: Self.version) else {
        continue
      }
      let parts = String(Character(scalar)).decomposedStringWithCanonicalMapping.unicodeScalars.map(\.value)
      guard parts != [value] else { continue }
      decompositions[value] = parts
      if scalar.properties.isFullCompositionExclusion {
        isActive[Int(value)] = true
      } else {
        composites.append((value, parts))
      }
    }
    // A composite of three or more parts is the composite of all but the last, and the last.
    let byParts = Dictionary(composites.map { ($0.parts, $0.scalar) }) { first, _ in first }
    for (scalar, parts) in composites {
      let head = Array(parts.dropLast())
      guard let second = parts.last, let first = head.count == 1 ? head[0] : byParts[head] else { continue }
      compositions[Pair(first: first, second: second)] = scalar
      isActive[Int(second)] = true
    }
    for value in UInt32(0x300)...0x1FFFF where combiningClass(value) != 0 { isActive[Int(value)] = true }
  }

  private func combiningClass(_ value: UInt32) -> UInt8 {
    guard let scalar = Unicode.Scalar(value) else { return 0 }
    let combiningClass = scalar.properties.canonicalCombiningClass.rawValue
    return combiningClass != 0 && UnicodeClass.isAssigned(scalar.properties, by: Self.version) ? combiningClass : 0
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
        segment += decompositions[value] ?? [value]
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

  private func isActive(_ value: UInt32) -> Bool { value < isActive.count && isActive[Int(value)] }

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
          let composite = compositions[Pair(first: result[starter], second: value)]
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
}
