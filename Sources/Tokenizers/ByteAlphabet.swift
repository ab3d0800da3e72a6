/// The alphabet in which byte-level BPE spells bytes as printable characters: printable Latin-1 stands for itself,
/// the other 68 bytes are U+0100, U+0101, … in ascending order (so a space is Ġ, U+0120).
///
/// Source: `bytes_to_unicode` of the GPT-2 encoder (Radford et al. 2019).
public enum ByteAlphabet {
  /// The scalar that spells each byte.
  public static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (UInt32(0)..<256).map { byte in
      let isPrintable = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte)
      defer { if !isPrintable { next += 1 } }
      return Unicode.Scalar(isPrintable ? byte : next) ?? "\u{FFFD}"
    }
  }()

  private static let bytes: [UInt8?] = {
    var bytes = [UInt8?](repeating: nil, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = UInt8(byte) }
    return bytes
  }()

  /// The bytes that `text` (UTF-8) spells, nil when it holds a character outside the alphabet.
  static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var position = text.startIndex
    while position < text.endIndex {
      let (scalar, length) = decodeScalar(text, at: position)
      guard scalar < bytes.count, let byte = bytes[Int(scalar)] else { return nil }
      result.append(byte)
      position += length
    }
    return result
  }
}

/// The scalar value that begins at `position` of valid UTF-8, and its length in bytes.
@inline(__always)
func decodeScalar<Text: RandomAccessCollection<UInt8>>(_ text: Text, at position: Int) -> (value: UInt32, length: Int)
where Text.Index == Int {
  let first = UInt32(text[position])
  if first < 0x80 { return (first, 1) }
  let second = UInt32(text[position + 1]) & 0x3F
  if first < 0xE0 { return ((first & 0x1F) << 6 | second, 2) }
  let third = UInt32(text[position + 2]) & 0x3F
  if first < 0xF0 { return ((first & 0x0F) << 12 | second << 6 | third, 3) }
  return ((first & 0x07) << 18 | second << 12 | third << 6 | UInt32(text[position + 3]) & 0x3F, 4)
}
