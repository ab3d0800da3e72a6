/// Text in units of 16 or 32 bits, as some editors of Windows and PowerShell write it.
enum WideText {
  /// - Parameter bytes: text that begins with a byte order mark.
  /// - Throws: `CalibrationError.unusable` for bytes that are cut or are not text.
  static func decode(_ bytes: UnsafeRawBufferPointer, path: String) throws -> String {
    func text<Encoding: Unicode.Encoding>(
      _ encoding: Encoding.Type, _ name: String
    ) throws -> String where Encoding.CodeUnit: FixedWidthInteger {
      let width = MemoryLayout<Encoding.CodeUnit>.size
      let isLittle = bytes[0] == 0xFF
      let units = stride(from: width, through: bytes.count - width, by: width).lazy.map { position in
        let unit = bytes.loadUnaligned(fromByteOffset: position, as: Encoding.CodeUnit.self)
        return isLittle ? Encoding.CodeUnit(littleEndian: unit) : Encoding.CodeUnit(bigEndian: unit)
      }
      guard bytes.count % width == 0, let text = String(validating: units, as: encoding) else {
        throw CalibrationError.unusable(path, reason: "it begins as \(name), but is not valid \(name)")
      }
      return text
    }
    let isWidest = bytes.count >= 4 && (bytes.starts(with: [0xFF, 0xFE, 0, 0]) || bytes[0] == 0)
    return isWidest ? try text(UTF32.self, "UTF-32") : try text(UTF16.self, "UTF-16")
  }

  /// Whether every other byte of the beginning is zero, as in Latin text of 16-bit units without a mark.
  static func isLikely(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let start = bytes.prefix(256)
    let zeros = [0, 1].map { first in
      stride(from: first, to: start.count, by: 2).count { start[$0] == 0 }
    }
    return zeros.contains { $0 > start.count / 3 } && zeros.contains { $0 < start.count / 20 }
  }
}
