import LinearAlgebra

/// How an input is laid out.
public enum InputLayout: Sendable {
  /// JSON, YAML and other text made of words, numbers and punctuation.
  case text
  /// Eight bytes of a length, JSON, values.
  case safetensors
  /// A GGUF file.
  case gguf
}

/// Changes inputs so that much of them stays meaningful. The same seed makes the same changes.
public struct Mutator: Sendable {
  var generator: SeededGenerator
  let layout: InputLayout
  let words: [[UInt8]]

  /// - Throws: where the file of words cannot be read.
  public init(_ reader: FuzzedReader, seed: UInt64) throws {
    generator = SeededGenerator(seed: seed)
    layout = reader.layout
    words = try reader.words().map { Array($0.utf8) }
  }

  /// One to four changes.
  /// - Parameter limit: the most bytes that the result may have.
  public mutating func mutate(_ input: [UInt8], limit: Int) -> [UInt8] {
    var result = input
    for _ in 0..<Int.random(in: 1...4, using: &generator) {
      let isBlind = Int.random(in: 0..<8, using: &generator) == 0
      switch layout {
      case _ where isBlind: changeBytes(&result)
      case .text: changeText(&result)
      case .safetensors: changeSafetensors(&result)
      case .gguf: changeGGUF(&result)
      }
    }
    return result.count <= limit ? result : Array(result.prefix(limit))
  }

  /// The same mutations again, or others.
  public mutating func restart(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  mutating func pick<Element>(_ elements: [Element]) -> Element? { elements.randomElement(using: &generator) }
  mutating func below(_ count: Int) -> Int { count > 0 ? Int.random(in: 0..<count, using: &generator) : 0 }

  /// Changes that know of no format.
  mutating func changeBytes(_ bytes: inout [UInt8]) {
    guard !bytes.isEmpty else {
      bytes = [UInt8.random(in: 0...255, using: &generator)]
      return
    }
    let place = below(bytes.count)
    switch below(8) {
    case 0: bytes[place] ^= 1 << UInt8(below(8))
    case 1: bytes[place] = pick([0, 1, 0x1E, 0x20, 0x22, 0x7F, 0x80, 0xC3, 0xED, 0xFF]) ?? 0
    case 2: bytes[place] = UInt8.random(in: 0...255, using: &generator)
    case 3: bytes.removeSubrange(place...)
    case 4: bytes.removeSubrange(place..<min(bytes.count, place + 1 + below(16)))
    case 5: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: place)
    case 6: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 1 + below(64))], at: below(bytes.count))
    default: writeNumber(extreme(), width: pick([2, 4, 8]) ?? 4, at: place, &bytes)
    }
  }

  /// Whole numbers near the ends of their types, and small ones.
  mutating func extreme() -> UInt64 {
    let ends: [UInt64] = [
      0, 1, 2, 3, 7, 31, 32, 33, 255, 256, 65535, 65536, 1 << 24, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 32,
      1 << 40,
      1 << 53, 1 << 61, 1 << 62, 0x7FFF_FFFF_FFFF_FFFF, 1 << 63, 0xFFFF_FFFF_FFFF_FFE0, .max,
    ]
    return (pick(ends) ?? 0) &+ UInt64(below(3)) &- 1
  }

  /// Little endian, as far as there is room.
  func writeNumber(_ number: UInt64, width: Int, at place: Int, _ bytes: inout [UInt8]) {
    for byte in 0..<width where place + byte < bytes.count {
      bytes[place + byte] = UInt8(truncatingIfNeeded: number >> UInt64(8 * byte))
    }
  }
}
