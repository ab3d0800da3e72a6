import Foundation
import Testing

@testable import Checkpoints

@Suite struct GGUFTests {
  @Test(arguments: [(2, "metadata-v2.gguf"), (3, "metadata-v3.gguf")])
  func metadataOfEveryType(version: Int, name: String) throws {
    let file = try GGUFFile(fixture(name))
    #expect(file.version == version)
    #expect(file.keys.first == "general.architecture")
    #expect(try file.string("general.architecture") == "llama")
    #expect(file["a.uint8"] == .uint8(200))
    #expect(file["a.int8"] == .int8(-100))
    #expect(file["a.uint16"] == .uint16(60000))
    #expect(file["a.int16"] == .int16(-30000))
    #expect(file["a.uint32"] == .uint32(4_000_000_000))
    #expect(file["a.int32"] == .int32(-2_000_000_000))
    #expect(file["a.float32"] == .float32(1e-5))
    #expect(file["a.bool"] == .bool(true))
    #expect(file["a.string"] == .string("Grüße, 世界"))
    #expect(file["a.uint64"] == .uint64(9_223_372_036_854_775_809))
    #expect(file["a.int64"] == .int64(-4_611_686_018_427_387_904))
    #expect(file["a.float64"] == .float64(1e300))
    #expect(try file.strings("b.strings") == ["<s>", "", "ĠÄ", String(repeating: "x", count: 100)])
    #expect(try file.integers("b.integers") == [1, -2, 3])
    #expect(try file.floatsIfPresent("b.floats") == [0.5, -1.5])
    #expect(file["b.bools"]?.array?.bools == [true, false])
    #expect(file["b.nested"]?.array?.arrays?.map(\.integers) == [[1, 2], [3]])
    #expect(try file.integer("a.int16") == -30000)
    #expect(try file.float("a.uint8") == 200)
    #expect(try file.boolIfPresent("a.bool") == true)
    #expect(try file.integer("general.alignment") == 64)
    #expect(try file.tensor("first").shape == [2, 3])
    #expect(try file.tensor("first").floats() == [0, 1, 2, 3, 4, 5])
    #expect(try file.tensor("second").floats() == [1.5])
  }

  @Test func keysThatAreAbsentOrOfAnotherType() throws {
    let file = try GGUFFile(fixture("metadata-v3.gguf"))
    func text(_ body: @escaping () throws -> Void) -> String? {
      message(body).map { $0.replacingOccurrences(of: file.location.path, with: "FILE") }
    }
    #expect(text { _ = try file.integer("nothing") } == "FILE: the key 'nothing' is missing")
    #expect(text { _ = try file.strings("nothing") } == "FILE: the key 'nothing' is missing")
    #expect(try file.integerIfPresent("nothing") == nil)
    #expect(
      text { _ = try file.integer("a.string") }
        == "FILE: the key 'a.string' should be an integer but is the string \"Grüße, 世界\"")
    #expect(
      text { _ = try file.integer("a.uint64") }
        == "FILE: the key 'a.uint64' should be an integer but is the integer 9223372036854775809")
    #expect(
      text { _ = try file.stringIfPresent("b.strings") }
        == "FILE: the key 'b.strings' should be a string but is an array of 4 strings")
    #expect(
      text { _ = try file.boolIfPresent("a.uint8") }
        == "FILE: the key 'a.uint8' should be a boolean but is the integer 200")
  }

  // MARK: Damaged files, made from parts

  let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func string(_ text: String) -> [UInt8] { littleEndian(UInt64(text.utf8.count)) + Array(text.utf8) }

  private func entry(_ key: String, _ type: UInt32, _ value: [UInt8]) -> [UInt8] {
    string(key) + littleEndian(type) + value
  }

  private func tensor(_ name: String, _ dimensions: [UInt64], _ type: UInt32, _ offset: UInt64) -> [UInt8] {
    string(name) + littleEndian(UInt32(dimensions.count)) + dimensions.flatMap { littleEndian($0) }
      + littleEndian(type) + littleEndian(offset)
  }

  private func open(
    version: UInt32 = 3, tensorCount: UInt64? = nil, keyCount: UInt64? = nil, entries: [[UInt8]] = [],
    tensors: [[UInt8]] = [], valueBytes: Int = 0, pad: Int = 32
  ) -> String? {
    var bytes = Array("GGUF".utf8) + littleEndian(version) + littleEndian(tensorCount ?? UInt64(tensors.count))
    bytes += littleEndian(keyCount ?? UInt64(entries.count)) + entries.joined() + tensors.joined()
    if valueBytes > 0 {
      bytes += [UInt8](repeating: 0, count: (pad - bytes.count % pad) % pad + valueBytes)
    }
    return message(in: scratch) { _ = try GGUFFile(scratch.write(bytes, to: "f")) }
  }

  @Test func theBeginning() throws {
    #expect(open() == nil)
    #expect(
      message(in: scratch) { _ = try GGUFFile(scratch.write("PK\u{3}\u{4}zip", to: "f")) }
        == "f: it is a ZIP archive, not a GGUF file: unpack it first")
    #expect(
      message(in: scratch) { _ = try GGUFFile(scratch.write("GG", to: "f")) }
        == "f: the signature of a GGUF file needs 4 bytes at byte 0, but 2 are left (truncated?)")
    #expect(open(version: 1) == "f: GGUF version 1; only versions 2 and 3 are supported")
    #expect(open(version: 4) == "f: GGUF version 4; only versions 2 and 3 are supported")
    #expect(
      open(version: UInt32(3).byteSwapped)
        == "f: a big-endian GGUF file (version 3); only little-endian is supported: 'gguf-convert-endian FILE little' of the "
        + "Python package gguf converts it")
    #expect(
      open(tensorCount: 1 << 60)
        == "f: the number of tensors is 1152921504606846976, but the remaining 8 bytes hold at most 0")
    #expect(
      open(keyCount: .max)
        == "f: the number of metadata entries is 18446744073709551615, but the remaining 0 bytes hold at most 0")
  }

  @Test func metadata() {
    #expect(open(entries: [entry("a", 4, littleEndian(UInt32(7)))]) == nil)
    #expect(
      open(entries: [littleEndian(UInt64(1) << 40) + [UInt8](repeating: 65, count: 20)])
        == "f: the length of metadata key 0 is 1099511627776, but the remaining 20 bytes hold at most 20")
    #expect(
      open(entries: [entry("a", 99, [0, 0, 0, 0])]) == "f: the key 'a' has a value of the unknown type 99")
    #expect(
      open(entries: [entry("a", 7, [2])]) == "f: the key 'a' holds 2 where a boolean (0 or 1) is expected")
    #expect(
      open(entries: [entry("a", 10, [1, 2])])
        == "f: the value of 'a' needs 8 bytes at byte 37, but 2 are left (truncated?)")
    let twice = entry("a", 0, [1])
    #expect(open(entries: [twice, twice]) == "f: the metadata key 'a' is repeated")
    #expect(
      open(entries: [entry("a", 9, littleEndian(UInt32(8)) + littleEndian(UInt64(1) << 33))])
        == "f: the number of elements of 'a' is 8589934592, but the remaining 0 bytes hold at most 0")
    // An array of arrays of arrays …
    let nested = (0..<20).reduce([] as [UInt8]) { bytes, _ in bytes + littleEndian(UInt32(9)) + littleEndian(UInt64(1))
    }
    #expect(open(entries: [entry("a", 9, nested)]) == "f: the key 'a' nests arrays deeper than 8")
    // Not UTF-8: repaired.
    #expect(open(entries: [entry("a", 8, littleEndian(UInt64(2)) + [0xFF, 0x41])]) == nil)
    #expect(
      open(entries: [entry("general.alignment", 4, littleEndian(UInt32(48)))])
        == "f: the key 'general.alignment' should be a 32-bit power of two but is the integer 48")
    #expect(open(entries: [entry("general.alignment", 4, littleEndian(UInt32(0)))])?.contains("power of two") == true)
  }

  @Test func stringsThatAreNotUTF8KeepTheirBytes() throws {
    let tokens: [[UInt8]] = [[0xE4, 0xB8], Array("ok".utf8), []]
    let array = littleEndian(UInt32(8)) + littleEndian(UInt64(3))
    let elements = tokens.flatMap { littleEndian(UInt64($0.count)) + $0 }
    #expect(open(entries: [entry("tokens", 9, array + elements)]) == nil)
    let file = try GGUFFile(scratch.path("f"))
    #expect(try file.strings("tokens") == ["\u{FFFD}", "ok", ""])
    let stored = try #require(file["tokens"]?.array)
    #expect(stored.bytes == elements)
  }

  @Test func tensors() {
    #expect(open(tensors: [tensor("t", [8], 0, 0)], valueBytes: 32) == nil)
    #expect(
      open(tensors: [tensor("t", [8], 0, 0)], valueBytes: 31)
        == "f: tensor 't': its 32 bytes at offset 0 exceed the 31 bytes of values that the file holds (truncated?)")
    #expect(
      open(tensors: [tensor("t", [8], 0, .max)], valueBytes: 32)?.hasPrefix(
        "f: tensor 't': its 32 bytes at offset 18446744073709551615 exceed the 32 bytes") == true)
    #expect(
      open(tensors: [tensor("t", [32], 43, 0)], valueBytes: 32)
        == "f: tensor 't' has the unsupported type number 43 (supported: F64, F32, F16, BF16, I64, I32, I16, I8, "
        + "Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, MXFP4, TQ1_0, TQ2_0)")
    #expect(
      open(tensors: [tensor("t", [33], 2, 0)], valueBytes: 64)
        == "f: tensor 't': its rows have 33 elements, not a multiple of the 32 that Q4_0 needs")
    #expect(
      open(tensors: [tensor("t", [1 << 32, 1 << 32], 0, 0)])
        == "f: tensor 't': the size of shape [4294967296, 4294967296] in F32 overflows")
    #expect(
      open(tensors: [tensor("t", [.max], 0, 0)])
        == "f: tensor 't': its dimensions [18446744073709551615] exceed 63 bits")
    #expect(
      open(tensors: [tensor("t", [1, 1, 1, 1, 1], 0, 0)]) == "f: tensor 't': it has 5 dimensions; at most 4 are allowed"
    )
    let twice = tensor("t", [8], 0, 0)
    #expect(open(tensors: [twice, twice], valueBytes: 32) == "f: the tensor name 't' is repeated")
    #expect(
      open(tensors: [tensor("a", [16], 0, 0), tensor("b", [8], 0, 32)], valueBytes: 64)
        == "f: tensor 'b': its offset 32 lies inside the values of 'a', which end at 64")
    #expect(
      open(tensors: [tensor("a", [8], 0, 0), tensor("b", [8], 0, 64)], valueBytes: 96)
        == "f: tensor 'b': its offset is 64, but the values before it end at 32: a hole")
    #expect(
      open(tensors: [tensor("a", [8], 0, 0), tensor("b", [8], 0, 36)], valueBytes: 96)
        == "f: tensor 'b': its offset 36 is not a multiple of the alignment 32")
    #expect(
      open(tensorCount: 2, tensors: [tensor("a", [8], 0, 0)], valueBytes: 32)?.hasPrefix("f: ") == true)
  }
}
