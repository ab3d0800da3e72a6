import Foundation
import Testing

@testable import Checkpoints

@Suite struct SafetensorsTests {
  let scratch: Scratch

  init() throws { scratch = try Scratch() }

  @Test func aFolderWithOneFile() throws {
    let checkpoint = try SafetensorsCheckpoint(directory: fixture("single"))
    #expect(Set(checkpoint.tensorNames) == ["layer.0.weight", "layer.1.weight", "layer.2.weight", "norm"])
    #expect(checkpoint.files[0].metadata == ["format": "pt"])
    let weight = try checkpoint.tensor("layer.1.weight")
    #expect(weight.shape == [4, 4])
    #expect(weight.type == .f32)
    #expect((weight.rowCount, weight.rowLength, weight.count) == (4, 4, 16))
    #expect(try checkpoint.tensor("norm").type == .f16)
  }

  @Test func aFolderWithShardsHoldsTheSame() throws {
    let single = try SafetensorsCheckpoint(directory: fixture("single"))
    let sharded = try SafetensorsCheckpoint(directory: fixture("sharded"))
    #expect(sharded.files.count == 2)
    #expect(Set(sharded.tensorNames) == Set(single.tensorNames))
    for name in single.tensorNames {
      #expect(try sharded.tensor(name).floats() == single.tensor(name).floats())
      #expect(try sharded.tensor(name).shape == single.tensor(name).shape)
    }
  }

  @Test func aMissingTensorIsAnsweredWithSimilarNames() throws {
    let checkpoint = try SafetensorsCheckpoint(directory: fixture("single"))
    #expect(!checkpoint.contains("layer.3.weight"))
    let text = message { _ = try checkpoint.tensor("layer.3.weight") }
    #expect(
      text?.hasSuffix(
        "single: no tensor 'layer.3.weight' (similar: layer.0.weight, layer.1.weight, layer.2.weight)") == true)
    #expect(
      message { _ = try checkpoint.tensor("qqqqqqqqqqqqqqqq") }?.hasSuffix("no tensor 'qqqqqqqqqqqqqqqq'") == true)
  }

  // MARK: Damaged files

  /// A file with this header and this many bytes of values.
  private func open(_ header: String, valueBytes: Int = 0, headerLength: UInt64? = nil) -> String? {
    let length = headerLength ?? UInt64(header.utf8.count)
    let bytes = littleEndian(length) + Array(header.utf8) + [UInt8](repeating: 0, count: valueBytes)
    return message(in: scratch) { _ = try SafetensorsFile(scratch.write(bytes, to: "f")) }
  }

  private func tensor(
    _ name: String = "t", _ type: String = "F32", _ shape: String = "[2]", _ begin: String = "0", _ end: String = "8"
  ) -> String {
    "\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":[\(begin),\(end)]}"
  }

  @Test func theHeaderItself() throws {
    #expect(open("{}") == nil)
    #expect(open("{\(tensor())}", valueBytes: 8) == nil)
    #expect(
      message(in: scratch) { _ = try SafetensorsFile(scratch.write([1, 2, 3], to: "f")) }
        == "f: not a safetensors file: 3 bytes, but the header's length alone takes 8")
    #expect(
      message(in: scratch) { _ = try SafetensorsFile(scratch.write([], to: "f")) }
        == "f: not a safetensors file: 0 bytes, but the header's length alone takes 8")
    #expect(
      open("{}", headerLength: 3) == "f: the header has a length of 3 bytes, but only 2 follow (truncated?)")
    #expect(
      open("{}", headerLength: .max)
        == "f: the header has a length of 18446744073709551615 bytes, but only 2 follow (truncated?)")
    #expect(open("{}", headerLength: 1 << 63)?.contains("only 2 follow") == true)
    #expect(open("hello") == "f: not valid JSON: unexpected character at byte 0")
    #expect(open("[1,2]") == "f: the header is an array of 2, not an object")
    #expect(open("{\(tensor()),\(tensor())}", valueBytes: 8) == "f: not valid JSON: the key 't' is repeated at byte 54")
    #expect(open("{\"a\\ud8zz\":1}")?.contains("four hexadecimal digits") == true)
    #expect(open(String(repeating: "[", count: 100_000))?.contains("nesting deeper than 64") == true)
    #expect(
      open("{\"__metadata__\":{\"format\":1}}")
        == "f: the key '__metadata__.format' should be a string but is the integer 1")
  }

  @Test(arguments: [
    ("\"t\":3", "described by the integer 3, not by an object"),
    ("\"t\":{}", "dtype should be a string but is missing"),
    ("\"t\":{\"dtype\":\"F32\"}", "shape should be a list but is missing"),
    (
      "\"t\":{\"dtype\":\"F32\",\"shape\":[-1]}",
      "shape holds the integer -1 where an integer of at least 0 is expected"
    ),
    (
      "\"t\":{\"dtype\":\"F32\",\"shape\":[1.0]}",
      "shape holds the number 1.0 where an integer of at least 0 is expected"
    ),
    ("\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}", "data_offsets has 1 values, not 2"),
    (
      "\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,99999999999999999999]}",
      "data_offsets holds the number 1e+20 where an integer of at least 0 is expected"
    ),
    ("\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}", "data_offsets begin at 8, after their end at 0"),
    (
      "\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}",
      "its values end at byte 12, but the file holds 8 bytes of values (truncated?)"
    ),
    (
      "\"t\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}",
      "shape [3] in F32 takes 12 bytes, but data_offsets span 8"
    ),
    (
      "\"t\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}",
      "the size of shape [4294967296, 4294967296] in F32 overflows"
    ),
    (
      "\"t\":{\"dtype\":\"F32\",\"shape\":[0,4294967296,4294967296],\"data_offsets\":[0,0]}",
      "the size of shape [0, 4294967296, 4294967296] in F32 overflows"
    ),
    (
      "\"t\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}",
      "the size of shape [4611686018427387904] in F32 overflows"
    ),
  ])
  func oneTensor(description: String, problem: String) {
    #expect(open("{\(description)}", valueBytes: 8) == "f: tensor 't': \(problem)")
  }

  @Test func severalTensors() {
    #expect(
      open("{\(tensor("a")),\(tensor("b", "F32", "[2]", "4", "12"))}", valueBytes: 12)
        == "f: tensor 'b': its values begin at byte 4, inside those of 'a', which end at 8")
    #expect(
      open("{\(tensor("a")),\(tensor("b", "F32", "[2]", "12", "20"))}", valueBytes: 20)
        == "f: tensor 'b': its values begin at byte 12, but those before it end at 8: a hole")
    #expect(
      open("{\(tensor())}", valueBytes: 9)
        == "f: the tensors end at byte 8, but the file holds 9 bytes of values")
    #expect(
      open("{\(tensor("t", "F6_E3M2", "[8]"))}", valueBytes: 8)
        == "f: tensor 't' has the unsupported type F6_E3M2 (supported: F64, F32, F16, BF16, I64, I32, I16, I8, U64, "
        + "U32, U16, U8, BOOL, F8_E4M3, F8_E5M2, F8_E8M0)")
    #expect(open("{\(tensor("t", "Q4_0", "[32]", "0", "18"))}", valueBytes: 18)?.contains("unsupported type") == true)
  }

  @Test func filesThatCannotBeRead() throws {
    #expect(
      message(in: scratch) { _ = try SafetensorsFile(scratch.path("none")) }
        == "cannot read none: No such file or directory")
    try FileManager.default.createDirectory(at: scratch.path("d"), withIntermediateDirectories: false)
    #expect(message(in: scratch) { _ = try SafetensorsFile(scratch.path("d")) } == "cannot read d: it is a directory")
    #expect(
      message(in: scratch) { _ = try SafetensorsCheckpoint(directory: scratch.path("d")) }
        == "cannot read d: it has neither model.safetensors nor model.safetensors.index.json")
    #expect(mkfifo(scratch.path("pipe").path, 0o600) == 0)
    #expect(
      message(in: scratch) { _ = try SafetensorsFile(scratch.path("pipe")) }
        == "cannot read pipe: it is not a regular file")
  }

  // MARK: Indexes

  private func openIndex(_ text: String) -> String? {
    message(in: scratch) {
      for shard in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
      where !FileManager.default.fileExists(atPath: scratch.path(shard).path) {
        try FileManager.default.copyItem(at: fixture("sharded/\(shard)"), to: scratch.path(shard))
      }
      try scratch.write(text, to: "model.safetensors.index.json")
      _ = try SafetensorsCheckpoint(directory: scratch.url)
    }
  }

  @Test func indexes() throws {
    let file = "model.safetensors.index.json"
    let (first, second) = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    #expect(openIndex("{\"weight_map\":{\"layer.0.weight\":\"\(first)\",\"norm\":\"\(second)\"}}") == nil)
    #expect(openIndex("{") == "\(file): not valid JSON: a key was expected at byte 1")
    #expect(openIndex("{}") == "\(file): the key 'weight_map' is missing")
    #expect(
      openIndex("{\"weight_map\":7}")
        == "\(file): the key 'weight_map' should be an object of strings but is the integer 7")
    #expect(
      openIndex("{\"weight_map\":{\"norm\":7}}")
        == "\(file): the key 'weight_map.norm' should be a file name but is the integer 7")
    #expect(
      openIndex("{\"weight_map\":{\"norm\":\"other.safetensors\"}}")
        == "\(file): it names the shard 'other.safetensors', which is not in the folder")
    #expect(
      openIndex("{\"weight_map\":{\"norm\":\"../x/\(second)\"}}")
        == "\(file): tensor 'norm': its shard '../x/\(second)' is not a file name")
    #expect(
      openIndex("{\"weight_map\":{\"norm\":\"\(first)\"}}")
        == "\(file): tensor 'norm': it should be in the shard '\(first)', but is not")
    #expect(
      openIndex("{\"weight_map\":{\"gone\":\"\(first)\"}}")
        == "\(file): tensor 'gone': it should be in the shard '\(first)', but is not")
    try FileManager.default.removeItem(at: scratch.path(first))
    try FileManager.default.copyItem(at: scratch.path(second), to: scratch.path(first))
    #expect(
      openIndex("{\"weight_map\":{\"a\":\"\(first)\",\"norm\":\"\(second)\"}}")
        == "\(second): tensor 'layer.1.weight': it is also in the shard '\(first)'")
  }
}
