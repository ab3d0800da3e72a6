/// Changes of a GGUF file: its counts, lengths and types, and whole entries.
extension Mutator {
  mutating func changeGGUF(_ bytes: inout [UInt8]) {
    let header = GGUFHeader(bytes)
    guard let field = pick(header.fields) else { return changeBytes(&bytes) }
    switch below(9) {
    case 0, 1: writeNumber(extreme(), width: field.width, at: field.place, &bytes)
    case 2: writeNumber(UInt64(below(40)), width: field.width, at: field.place, &bytes)
    case 3: changeText(at: header, &bytes)
    case 4, 5: removeEntry(header, &bytes)
    case 6: copyEntry(header, &bytes)
    case 7: bytes[field.place] = UInt8(below(32))
    default: changeBytes(&bytes)
    }
  }

  /// Puts a word of the format in the place of a string.
  private mutating func changeText(at header: GGUFHeader, _ bytes: inout [UInt8]) {
    guard let text = pick(header.strings) else { return }
    let word = below(4) == 0 ? [] : pick(words) ?? []
    bytes.replaceSubrange(text, with: word)
    writeNumber(UInt64(word.count), width: 8, at: text.lowerBound - 8, &bytes)
  }

  private mutating func removeEntry(_ header: GGUFHeader, _ bytes: inout [UInt8]) {
    guard let entry = pick(header.entries) else { return }
    bytes.removeSubrange(entry.range)
    writeNumber(entry.count &- 1, width: 8, at: entry.countPlace, &bytes)
  }

  private mutating func copyEntry(_ header: GGUFHeader, _ bytes: inout [UInt8]) {
    guard let entry = pick(header.entries) else { return }
    let copy = Array(bytes[entry.range])
    bytes.insert(contentsOf: copy, at: entry.range.upperBound)
    writeNumber(entry.count &+ 1, width: 8, at: entry.countPlace, &bytes)
  }
}

/// Where things stand in the header of a GGUF file, as far as it can be followed.
struct GGUFHeader {
  /// Numbers: counts, lengths, types, dimensions, values.
  var fields: [(place: Int, width: Int)] = []
  var strings: [Range<Int>] = []
  /// Entries of the metadata, descriptions of tensors and elements of arrays of strings, each with the count of its kind.
  var entries: [(range: Range<Int>, countPlace: Int, count: UInt64)] = []

  private let bytes: [UInt8]
  private var position = 4
  private static let mostItems = 4096

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    guard bytes.count >= 24 else { return }
    _ = number(4)
    guard let tensors = number(8), let keys = number(8) else { return }
    for _ in 0..<min(keys, UInt64(Self.mostItems)) {
      let start = position
      guard string(), let type = number(4), value(type, depth: 0) else { return }
      entries.append((start..<position, 16, keys))
    }
    for _ in 0..<min(tensors, UInt64(Self.mostItems)) {
      let start = position
      guard string(), let dimensions = number(4) else { return }
      for _ in 0..<min(dimensions, 8) where number(8) == nil { return }
      guard number(4) != nil, number(8) != nil else { return }
      entries.append((start..<position, 8, tensors))
    }
  }

  private mutating func number(_ width: Int) -> UInt64? {
    guard bytes.count - position >= width else { return nil }
    fields.append((position, width))
    defer { position += width }
    return bytes[position..<position + width].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private mutating func string() -> Bool {
    guard let length = number(8), length <= UInt64(bytes.count - position) else { return false }
    strings.append(position..<position + Int(length))
    position += Int(length)
    return true
  }

  private mutating func value(_ type: UInt64, depth: Int) -> Bool {
    switch type {
    case 0, 1, 7: return number(1) != nil
    case 2, 3: return number(2) != nil
    case 4, 5, 6: return number(4) != nil
    case 10, 11, 12: return number(8) != nil
    case 8: return string()
    case 9:
      let countPlace = position + 4
      guard depth < 4, let element = number(4), let count = number(8) else { return false }
      for _ in 0..<min(count, UInt64(Self.mostItems)) {
        let start = position
        guard value(element, depth: depth + 1) else { return false }
        if element == 8 { entries.append((start..<position, countPlace, count)) }
      }
      return true
    default: return false
    }
  }
}
