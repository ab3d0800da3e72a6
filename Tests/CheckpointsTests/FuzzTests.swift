import Foundation
import Testing

@testable import Checkpoints

/// Damaged headers either open or are refused with a `CheckpointError`; whatever opens can be read to the last value.
@Suite struct FuzzTests {
  private static func damaged(_ bytes: [UInt8], headerLength: Int, _ generator: inout SeededGenerator) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
      let place = Int.random(in: 0..<min(headerLength, bytes.count), using: &generator)
      switch Int.random(in: 0..<6, using: &generator) {
      case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      case 1: bytes[place] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &generator) ?? 0
      case 2: bytes[place] = UInt8.random(in: 0...255, using: &generator)
      case 3: bytes.removeSubrange(place...)
      case 4: bytes.remove(at: place)
      default: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: place)
      }
    }
    return bytes
  }

  private func fuzz(_ name: String, headerLength: Int, seed: UInt64, _ open: (URL) throws -> any Checkpoint) throws {
    let scratch = try Scratch()
    let original = try Array(Data(contentsOf: fixture(name)))
    var generator = SeededGenerator(state: seed)
    var (refused, wrongCounts) = (0, 0)
    let rounds = 3000
    for _ in 0..<rounds {
      let url = try scratch.write(
        Self.damaged(original, headerLength: headerLength, &generator), to: "model.safetensors")
      do {
        let checkpoint = try open(url)
        for name in checkpoint.tensorNames {
          let tensor = try checkpoint.tensor(name)
          if try tensor.floats().count != tensor.count { wrongCounts += 1 }
        }
      } catch is CheckpointError {
        refused += 1
      }
    }
    #expect(wrongCounts == 0)
    // The damage is real: most is noticed.
    #expect(refused > rounds / 4 && refused <= rounds)
  }

  @Test func ggufMetadata() throws {
    try fuzz("metadata-v3.gguf", headerLength: 800, seed: 1) { try GGUFFile($0) }
  }

  @Test func ggufTensors() throws {
    try fuzz("quantised.gguf", headerLength: 900, seed: 2) { try GGUFFile($0) }
  }

  @Test func safetensors() throws {
    try fuzz("single/model.safetensors", headerLength: 330, seed: 3) { try SafetensorsFile($0) }
  }

  @Test func index() throws {
    let scratch = try Scratch()
    for number in 1...2 {
      let shard = "model-0000\(number)-of-00002.safetensors"
      try FileManager.default.copyItem(at: fixture("sharded/\(shard)"), to: scratch.path(shard))
    }
    let original = try Array(Data(contentsOf: fixture("sharded/model.safetensors.index.json")))
    var generator = SeededGenerator(state: 4)
    for _ in 0..<1000 {
      try scratch.write(
        Self.damaged(original, headerLength: original.count, &generator), to: "model.safetensors.index.json")
      do {
        _ = try SafetensorsCheckpoint(directory: scratch.url)
      } catch is CheckpointError {}
    }
  }
}
