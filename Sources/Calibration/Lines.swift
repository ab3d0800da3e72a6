import Checkpoints
import Foundation

let quote = UInt8(ascii: "\"")
let apostrophe = UInt8(ascii: "'")
let newline = UInt8(ascii: "\n")

/// White space of JSON, as bytes.
func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }

/// The lines of a text that are not blank, without the white space around them.
struct Lines: Sequence, IteratorProtocol {
  struct Line {
    /// From 1.
    let number: Int
    let bytes: UnsafeRawBufferPointer
    /// The place of the first byte that is not white space, counted from the line's beginning.
    let indentation: Int
    /// Whether only blank lines follow.
    let last: Bool

    /// The line as a JSON value.
    func value() throws(JSONSyntaxError) -> JSONValue {
      let (value, end) = try JSONValue.parsePrefix(bytes, dialect: .python)
      if let more = bytes[end...].firstIndex(where: { !isBlank($0) }) {
        throw JSONSyntaxError(problem: "text after the end of the value", position: more)
      }
      return value
    }
  }

  private let text: UnsafeRawBufferPointer
  private var position = 0
  private var number = 0

  init(_ text: UnsafeRawBufferPointer) { self.text = text }

  mutating func next() -> Line? {
    while position < text.count {
      let end = text.first(newline, from: position) ?? text.endIndex
      let line = text[position..<end]
      let start = position
      number += 1
      position = end + 1
      guard let first = line.firstIndex(where: { !isBlank($0) }), let last = line.lastIndex(where: { !isBlank($0) })
      else { continue }
      return Line(
        number: number, bytes: UnsafeRawBufferPointer(rebasing: text[first...last]), indentation: first - start,
        last: position >= text.count || text[position...].allSatisfy(isBlank))
    }
    return nil
  }
}

extension UnsafeRawBufferPointer {
  /// The first place of a byte, at a position or after it.
  func first(_ byte: UInt8, from position: Int = 0) -> Int? {
    guard position < count, let base = baseAddress,
      let found = memchr(base + position, Int32(byte), count - position)
    else { return nil }
    return UnsafeRawPointer(found) - base
  }
}
