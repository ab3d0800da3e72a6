import Foundation
import Testing

@testable import Checkpoints

@Suite struct Float8Tests {
  /// All 256 bytes of each format as torch reads them (`Tests/Fixtures/make_odd.py`).
  @Test(arguments: ["F8_E4M3", "F8_E5M2", "F8_E8M0"])
  func everyByteIsThatOfTorch(name: String) throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Fixtures/odd/float8-values.json")
    let expected = try #require(JSONValue.read(file)[name]?.array)
    let scratch = try Scratch()
    let header = "{\"a\": {\"dtype\": \"\(name)\", \"shape\": [16, 16], \"data_offsets\": [0, 256]}}"
    let bytes = littleEndian(UInt64(header.utf8.count)) + Array(header.utf8) + (0...255).map { UInt8($0) }
    let tensor = try SafetensorsFile(scratch.write(bytes, to: "f")).tensor("a")
    for (byte, (found, value)) in zip(try tensor.floats(), expected).enumerated() {
      switch value {
      case .null: #expect(found.isNaN, "byte \(byte): \(found)")
      case .string(let text): #expect("\(found)" == text, "byte \(byte)")
      default: #expect(value.double.map { Float($0) } == found, "byte \(byte)")
      }
    }
    #expect(expected.count == 256)
  }
}
