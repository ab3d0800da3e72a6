import Foundation
import Testing

@testable import Checkpoints

@Suite struct WriterTests {
  let scratch: Scratch
  let plans: [TensorPlan] = [
    TensorPlan(name: "half", type: .f16, shape: [3, 5]), TensorPlan(name: "full", type: .f32, shape: [2, 2, 2]),
    TensorPlan(name: "brain", type: .bf16, shape: [7]), TensorPlan(name: "long", type: .bf16, shape: [70_001]),
    TensorPlan(name: "empty", type: .f32, shape: [0, 4]),
  ]

  init() throws { scratch = try Scratch() }

  /// Values that both 16-bit types hold exactly.
  private func values(_ plan: TensorPlan) -> [Float] {
    (0..<plan.shape.reduce(1, *)).map { Float($0 % 256) / 8 - 3 }
  }

  private func supply(_ plan: TensorPlan, _ write: (UnsafeBufferPointer<Float>) throws -> Void) throws {
    try values(plan).withUnsafeBufferPointer { try write($0) }
  }

  private func expectEqual(_ checkpoint: any Checkpoint, _ plans: [TensorPlan]) throws {
    #expect(Set(checkpoint.tensorNames) == Set(plans.map(\.name)))
    for plan in plans {
      let tensor = try checkpoint.tensor(plan.name)
      #expect((tensor.type, tensor.shape) == (plan.type, plan.shape))
      #expect(try tensor.floats() == values(plan))
      #expect(tensor.type != .f32 || tensor.count == 0 || tensor.directFloats != nil)
    }
  }

  @Test func safetensorsRoundTrip() throws {
    try SafetensorsWriter.write(plans, to: scratch.path("f"), metadata: ["format": "pt", "a\"b": "é"], supply: supply)
    let file = try SafetensorsFile(scratch.path("f"))
    #expect(file.metadata == ["format": "pt", "a\"b": "é"])
    try expectEqual(file, plans)
    #expect(try scratch.contents() == ["f"])
  }

  @Test func valuesMayComeInPieces() throws {
    try SafetensorsWriter.write(plans, to: scratch.path("f")) { plan, write in
      let all = values(plan)
      try all.withUnsafeBufferPointer { all in
        for start in stride(from: 0, to: all.count, by: 3) {
          try write(UnsafeBufferPointer(rebasing: all[start..<min(start + 3, all.count)]))
        }
      }
    }
    try expectEqual(SafetensorsFile(scratch.path("f")), plans)
  }

  @Test func shards() throws {
    let names = try SafetensorsWriter.write(
      plans, toDirectory: scratch.url, maximumShardBytes: 100, supply: supply)
    #expect(
      names == [
        "model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors",
        "model.safetensors.index.json",
      ])
    #expect(try scratch.contents() == names)
    let checkpoint = try SafetensorsCheckpoint(directory: scratch.url)
    try expectEqual(checkpoint, plans)
    #expect(checkpoint.files.map { Set($0.tensorNames) } == [["half", "full", "brain"], ["long"], ["empty"]])
    let index = try JSONValue.read(scratch.path("model.safetensors.index.json"))
    #expect(index["metadata"]?["total_size"] == .integer(30 + 32 + 14 + 140_002))
  }

  @Test func aSmallFolderHasOneFile() throws {
    let names = try SafetensorsWriter.write(plans, toDirectory: scratch.url, supply: supply)
    #expect(names == ["model.safetensors"])
    try expectEqual(SafetensorsCheckpoint(directory: scratch.url), plans)
  }

  @Test func ggufRoundTrip() throws {
    let metadata: [(key: String, value: GGUFValue)] = [
      ("general.architecture", .string("llama")), ("z", .uint8(1)), ("y", .int8(-1)), ("x", .uint16(2)),
      ("w", .int16(-2)), ("v", .uint32(3)), ("u", .int32(-3)), ("t", .float32(0.1)), ("s", .bool(true)),
      ("r", .uint64(.max)), ("q", .int64(.min)), ("p", .float64(0.1)),
      ("o", .array(.string(["a", "", "日本"]))), ("n", .array(.float32([1.5, -2]))), ("m", .array(.bool([true, false]))),
      ("l", .array(.init(.array, [.array(.int32([1, -2])), .array(.int32([]))]))),
      ("k", .array(.init(.uint64, [.uint64(.max)]))), ("j", .array(.init(.float64, [.float64(0.1)]))),
      ("i", .array(.init(.int8, [.int8(-1)]))), ("h", .array(.init(.uint8, [.uint8(255)]))),
      ("g", .array(.init(.uint16, [.uint16(65535)]))), ("f", .array(.init(.int16, [.int16(-3)]))),
      ("e", .array(.uint32([7]))), ("d", .array(.init(.int64, [.int64(-7)]))),
    ]
    try GGUFWriter.write(metadata: metadata, tensors: plans, to: scratch.path("f"), supply: supply)
    let file = try GGUFFile(scratch.path("f"))
    #expect(file.version == 3)
    #expect(file.keys == metadata.map(\.key))
    for (key, value) in metadata { #expect(file[key] == value) }
    try expectEqual(file, plans)
  }

  @Test func ggufAlignment() throws {
    let metadata: [(key: String, value: GGUFValue)] = [("general.alignment", .uint32(128))]
    try GGUFWriter.write(metadata: metadata, tensors: plans, to: scratch.path("f"), supply: supply)
    try expectEqual(GGUFFile(scratch.path("f")), plans)
    try GGUFWriter.write(metadata: [], tensors: [], to: scratch.path("none"), supply: supply)
    #expect(try GGUFFile(scratch.path("none")).tensorNames == [])
  }

  /// The reference writer's file, read and written again, is the same file.
  @Test func ggufOfTheReferenceIsReproduced() throws {
    let original = fixture("metadata-v3.gguf")
    let file = try GGUFFile(original)
    let plans = try file.tensorNames.map { TensorPlan(name: $0, type: .f32, shape: try file.tensor($0).shape) }
    try GGUFWriter.write(
      metadata: file.keys.compactMap { key in file[key].map { (key, $0) } }, tensors: plans, to: scratch.path("f")
    ) { plan, write in
      try file.tensor(plan.name).floats().withUnsafeBufferPointer { try write($0) }
    }
    #expect(try Data(contentsOf: scratch.path("f")) == Data(contentsOf: original))
  }

  // MARK: Failures

  /// Each failure must leave the old file and nothing else.
  private func failure(
    _ plans: [TensorPlan], gguf: Bool = false, metadata: [(key: String, value: GGUFValue)] = [],
    _ supply: TensorSupply? = nil
  ) throws -> String? {
    try scratch.write("old", to: "f")
    let text = message(in: scratch) {
      if gguf {
        try GGUFWriter.write(metadata: metadata, tensors: plans, to: scratch.path("f"), supply: supply ?? self.supply)
      } else {
        try SafetensorsWriter.write(plans, to: scratch.path("f"), supply: supply ?? self.supply)
      }
    }
    #expect(try scratch.contents() == ["f"])
    #expect(try String(contentsOf: scratch.path("f"), encoding: .utf8) == "old")
    return text
  }

  @Test func valuesThatOverflow() throws {
    let plan = TensorPlan(name: "w", type: .f16, shape: [70_000])
    let text = try failure([plan]) { _, write in
      var values = [Float](repeating: 1, count: 70_000)
      values[69_000] = 1e5
      try values.withUnsafeBufferPointer { values in
        try write(UnsafeBufferPointer(rebasing: values[..<1000]))
        try write(UnsafeBufferPointer(rebasing: values[1000...]))
      }
    }
    #expect(text == "tensor 'w': element 69000 is 100000.0, too large for F16")
  }

  @Test func wrongNumberOfValues() throws {
    let plan = TensorPlan(name: "w", type: .f32, shape: [2, 2])
    for gguf in [false, true] {
      for count in [0, 3, 5] {
        let text = try failure([plan], gguf: gguf) { _, write in
          try [Float](repeating: 0, count: count).withUnsafeBufferPointer { try write($0) }
        }
        #expect(text == "cannot write f: tensor 'w' of shape [2, 2] takes 4 values, but \(count) were supplied")
      }
    }
  }

  @Test func impossiblePlans() throws {
    func plan(_ name: String = "w", _ type: ElementType = .f32, _ shape: [Int] = [1]) -> TensorPlan {
      TensorPlan(name: name, type: type, shape: shape)
    }
    #expect(try failure([plan(), plan()]) == "cannot write f: tensor 'w' is planned twice")
    #expect(
      try failure([plan("w", .q40, [32])])
        == "cannot write f: tensor 'w' is planned as Q4_0; only F32, F16 and BF16 can be written")
    #expect(
      try failure([plan("w", .f32, [.max, 2])])
        == "cannot write f: tensor 'w' has the impossible shape [9223372036854775807, 2]")
    #expect(try failure([plan("w", .f32, [-1])]) == "cannot write f: tensor 'w' has the impossible shape [-1]")
    #expect(try failure([plan("__metadata__")]) == "cannot write f: no tensor may be called '__metadata__'")
    let large = Int.max / 8
    #expect(
      try failure(["a", "b", "c"].map { plan($0, .f32, [large]) }) == "cannot write f: the tensors' sizes overflow")
    #expect(
      try failure(["a", "b", "c"].map { plan($0, .f32, [large]) }, gguf: true)
        == "cannot write f: the tensors' sizes overflow")
    #expect(
      try failure([plan("w", .f32, [])], gguf: true)
        == "cannot write f: tensor 'w' has 0 dimensions; GGUF allows 1 to 4")
    #expect(
      try failure([plan(String(repeating: "n", count: 64))], gguf: true)?.hasSuffix("has 64 bytes; GGUF allows 63")
        == true)
    #expect(
      try failure([], gguf: true, metadata: [("a", .bool(true)), ("a", .bool(true))])
        == "cannot write f: the metadata key 'a' is repeated")
    #expect(
      try failure([], gguf: true, metadata: [("general.alignment", .uint32(24))])
        == "cannot write f: general.alignment is the integer 24, not a 32-bit power of two of at least 8")
  }

  @Test func anErrorOfTheSupplierPassesThrough() throws {
    struct Refusal: Error {}
    try scratch.write("old", to: "f")
    #expect(throws: Refusal.self) {
      try SafetensorsWriter.write(plans, to: scratch.path("f")) { _, _ in throw Refusal() }
    }
    #expect(throws: Refusal.self) {
      try SafetensorsWriter.write(plans, toDirectory: scratch.url, maximumShardBytes: 100) { plan, write in
        if plan.name == "long" { throw Refusal() }
        try supply(plan, write)
      }
    }
    #expect(try scratch.contents() == ["f"])
  }

  @Test func unwritablePlaces() throws {
    #expect(
      message(in: scratch) { try SafetensorsWriter.write(plans, to: scratch.path("no/f"), supply: supply) }
        == "cannot write no/f: No such file or directory")
    try scratch.write("", to: "file")
    #expect(
      message(in: scratch) {
        try GGUFWriter.write(metadata: [], tensors: [], to: scratch.path("file/f"), supply: supply)
      }
        == "cannot write file/f: Not a directory")
  }
}
