import Foundation
import Testing

@testable import Checkpoints

/// Types of ggml are read or refused by name.
@Suite struct UnreadTypeTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  /// The reason for which a file with one tensor of a type is refused.
  private func problem(_ code: UInt32) throws -> String? {
    func string(_ text: String) -> [UInt8] { littleEndian(UInt64(text.utf8.count)) + Array(text.utf8) }
    var bytes = Array("GGUF".utf8) + littleEndian(UInt32(3)) + littleEndian(UInt64(1)) + littleEndian(UInt64(0))
    bytes += string("t") + littleEndian(UInt32(1)) + littleEndian(UInt64(256)) + littleEndian(code)
    bytes += littleEndian(UInt64(0))
    bytes += [UInt8](repeating: 0, count: (32 - bytes.count % 32) % 32 + 4096)
    return message(in: scratch) { _ = try GGUFFile(scratch.write(bytes, to: "f")) }
  }

  /// The numbers and names of the package gguf (`make_fixtures.py`).
  @Test func everyTypeOfTheReferenceIsReadOrNamed() throws {
    let types = try #require(JSONValue.read(fixture("types.json")).object)
    #expect(types.count >= 30)
    for (name, code) in types {
      let code = try #require(code.integer.flatMap { UInt32(exactly: $0) })
      if let read = ElementType(ggmlCode: code) {
        #expect(read.name == name)
        #expect(try problem(code) == nil, "\(name)")
      } else {
        let text = try problem(code)
        #expect(text?.hasPrefix("f: tensor 't': its type \(name) is not read here: ") == true, "\(text ?? "none")")
      }
    }
  }

  @Test(arguments: [
    (21, "IQ3_S", "llama-quantize --allow-requantize IN.gguf OUT.gguf q8_0"),
    (40, "NVFP4", "convert_hf_to_gguf.py"), (4, "Q4_2", "removed it in 2023"), (5, "Q4_3", "removed it in 2023"),
    (31, "Q4_0_4_4", "rearranges Q4_0"), (33, "Q4_0_8_8", "rearranges Q4_0"), (38, "IQ4_NL_8_8", "rearranges Q4_0"),
    (15, "Q8_K", "intermediate results"),
  ])
  func theRefusalSaysWhatToDo(code: UInt32, name: String, words: String) throws {
    let text = try problem(code)
    #expect(text?.hasPrefix("f: tensor 't': its type \(name) is not read here: ") == true, "\(text ?? "none")")
    #expect(text?.contains(words) == true, "\(text ?? "none")")
  }

  @Test(arguments: [43, 200, UInt32.max]) func unknownNumbersAreNamed(code: UInt32) throws {
    #expect(
      try problem(code)?.hasPrefix("f: tensor 't' has the unsupported type number \(code) (supported: F64,") == true)
  }
}
