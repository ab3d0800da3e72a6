import Checkpoints
import Foundation
import Testing

@testable import LanguageModels

/// What is stored or promised and not understood is refused by name, never left unread.
@Suite struct RefusalTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func expectRefusal(_ model: TinyModel, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation)
    throws
  {
    try model.write(to: folder.url)
    expectRefusal(of: folder.url, words, sourceLocation: sourceLocation)
  }

  private func expectRefusal(of place: URL, _ words: [String], sourceLocation: SourceLocation = #_sourceLocation) {
    do {
      _ = try LanguageModel(place)
      Issue.record("no error", sourceLocation: sourceLocation)
    } catch {
      for word in words { #expect("\(error)".contains(word), "\(error)", sourceLocation: sourceLocation) }
      #expect(!"\(error)".contains("\n"), "\(error)", sourceLocation: sourceLocation)
    }
  }

  // MARK: Tensors

  @Test(arguments: [
    ("model.layers.0.self_attn.q_norm.weight", "normalised"),
    ("model.layers.2.mlp.up_proj.weight", "layer 2 of a model of 2"),
    ("model.layers.0.self_attn.q_proj.lora_A.weight", "adapter"), ("score.weight", "classifier"),
    ("model.layers.0.mlp.down_proj.weight_scale", "quantised"), ("model.layers.0.mlp.gate_proj.qzeros", "quantised"),
    ("model.layers.1.self_attn.o_proj.SCB", "quantised"), ("model.layers.0.mlp.experts.0.up_proj.weight", "experts"),
    ("visual.patch_embed.weight", "pictures"), ("lm_head.bias", "no use"), ("model.norm.bias", "no use"),
    ("model.layers.0.input_layernorm.bias", "no use"), ("something.else", "no use"),
  ])
  func strayTensorsAreNamed(name: String, word: String) throws {
    var model = TinyModel()
    model.tensors[name] = .init(shape: [4], values: [1, 2, 3, 4])
    try expectRefusal(model, "'\(name)'", word)
    model.tensors["zz.other"] = .init(shape: [1], values: [0])
    try expectRefusal(model, "1 more")
  }

  /// With 3 layers in the configuration and 2 stored, the third is missing, not zero.
  @Test func missingLayersAreNamed() throws {
    try expectRefusal(TinyModel(config: ["num_hidden_layers": 3]), "model.layers.2.")
  }

  @Test func untiedModelWithoutAHead() throws {
    var model = TinyModel()
    model.tensors["lm_head.weight"] = nil
    try expectRefusal(model, "tie_word_embeddings is false", "'lm_head.weight'")
    model.config["tie_word_embeddings"] = nil
    try expectRefusal(model, "tie_word_embeddings is missing", "'lm_head.weight'")
  }

  @Test(arguments: [ElementType.i8, .i16, .i32, .i64, .u8, .u16, .u32, .u64, .bool])
  func integersAreNoWeights(type: ElementType) throws {
    let model = TinyModel()
    try model.write(to: folder.url)
    // The same number of bytes in another type: the header alone is changed.
    let name = "model.layers.1.mlp.up_proj.weight"
    let place = folder.url.appendingPathComponent("model.safetensors")
    var tensors: [String: (type: ElementType, shape: [Int], bytes: [UInt8])] = [:]
    for (other, value) in model.tensors {
      tensors[other] = (.f32, value.shape, value.values.flatMap { withUnsafeBytes(of: $0) { Array($0) } })
    }
    let shape = [24, 16]
    tensors[name] = (type, shape, Array(repeating: 1, count: 24 * 16 * type.bytesPerBlock))
    try safetensors(tensors).write(to: place)
    expectRefusal(of: folder.url, ["'\(name)'", type.name, "quantised"])
  }

  private func safetensors(_ tensors: [String: (type: ElementType, shape: [Int], bytes: [UInt8])]) -> Data {
    var header: [String: JSONValue] = [:]
    var values = Data()
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      header[name] = [
        "dtype": .string(tensor.type.name), "shape": .array(tensor.shape.map { .integer($0) }),
        "data_offsets": [.integer(values.count), .integer(values.count + tensor.bytes.count)],
      ]
      values.append(contentsOf: tensor.bytes)
    }
    let text = Data(JSONValue.object(header).text(indented: false).utf8)
    return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) } + text + values
  }

  // MARK: Quantisation

  @Test(
    arguments: [
      (["quant_method": "gptq", "bits": 4, "group_size": 128], "GPTQ"), (["quant_method": "awq", "bits": 4], "AWQ"),
      (["quant_method": "bitsandbytes", "load_in_4bit": true], "bitsandbytes"),
      (["load_in_8bit": true], "bitsandbytes"),
      (["quant_method": "compressed-tensors", "format": "pack-quantized"], "compressed-tensors"),
      (
        [
          "quant_method": "compressed-tensors",
          "config_groups": ["a": ["weights": ["type": "float", "num_bits": 4]]],
        ], "compressed-tensors"
      ),
      (["quant_method": "modelopt", "quant_algo": "NVFP4"], "NVFP4"), (["quant_algo": "W4A16_AWQ"], "ModelOpt"),
      (["quant_method": "mxfp4"], "MXFP4"), (["quant_method": "hqq"], "HQQ"), (["quant_method": "torchao"], "TorchAO"),
      (["quant_method": "new-one"], "new-one"), (["some": "thing"], "without a quant_method"),
    ] as [(JSONValue, String)])
  func quantisationsAreNamed(settings: JSONValue, word: String) throws {
    try expectRefusal(TinyModel(config: ["quantization_config": settings]), "quantised", word, "config.json")
  }

  @Test func quantisationsInOtherPlacesAreFound() throws {
    try expectRefusal(TinyModel(config: ["quantization": ["bits": 4, "group_size": 64]]), "MLX", "dequantize")
    try expectRefusal(TinyModel(config: ["compression_config": ["quant_method": "compressed-tensors"]]), "quantised")
    let beside = folder.url.appendingPathComponent("hf_quant_config.json")
    try Data("{\"quantization\": {\"quant_algo\": \"NVFP4\"}}".utf8).write(to: beside)
    try expectRefusal(TinyModel(), "NVFP4", "hf_quant_config.json")
  }

  /// Null stands for no quantisation.
  @Test func nullIsNoQuantisation() throws {
    try TinyModel(config: ["quantization_config": .null]).write(to: folder.url)
    _ = try LanguageModel(folder.url)
  }

  @Test func scalesMustFit() throws {
    let source = Odd.folder.appendingPathComponent("float8-block")
    for name in ["model.safetensors", "config.json"] {
      try FileManager.default.copyItem(
        at: source.appendingPathComponent(name), to: folder.url.appendingPathComponent(name))
    }
    let config = folder.url.appendingPathComponent("config.json")
    let text = try String(contentsOf: config, encoding: .utf8)
    func write(_ block: String) throws {
      let changed = text.replacing(/"weight_block_size": \[[^\]]*\]/, with: "\"weight_block_size\": \(block)")
      try #require(changed != text || block == "[16, 16]")
      try Data(changed.utf8).write(to: config)
    }
    func layer() throws { _ = try LanguageModel(folder.url).layer(0) }
    try write("[8, 16]")
    #expect(throws: ModelError.self) { try layer() }
    try write("[0, 16]")
    #expect(throws: ModelError.self) { try layer() }
    try write("[16]")
    #expect(throws: ModelError.self) { try layer() }
    try write("[16, 16]")
    try layer()
  }

  // MARK: Places

  @Test func placesThatHoldSomethingElse() throws {
    func write(_ name: String, _ text: String = "x") throws {
      try Data(text.utf8).write(to: folder.url.appendingPathComponent(name))
    }
    func remove(_ name: String) throws {
      try FileManager.default.removeItem(at: folder.url.appendingPathComponent(name))
    }
    try TinyModel().write(to: folder.url)
    expectRefusal(of: folder.url.appendingPathComponent("model.safetensors"), ["safetensors alone", "config.json"])
    try remove("model.safetensors")
    for (name, word) in [
      ("pytorch_model.bin", "save_pretrained"), ("pytorch_model.bin.index.json", "save_pretrained"),
      ("tf_model.h5", "TensorFlow"), ("flax_model.msgpack", "Flax"), ("consolidated.00.pth", "original format"),
      ("model-00001-of-00002.safetensors", "model.safetensors.index.json"), ("adapter_config.json", "merge"),
    ] {
      try write(name)
      expectRefusal(of: folder.url, [folder.url.path, word])
      try remove(name)
    }
    try remove("config.json")
    try write("m.gguf")
    expectRefusal(of: folder.url, ["GGUF", "m.gguf"])
  }

  @Test func adaptersBesideAModelAreRemarkedOn() throws {
    try TinyModel().write(to: folder.url)
    try Data("{}".utf8).write(to: folder.url.appendingPathComponent("adapter_config.json"))
    let heard = try Notices.heard { _ = try LanguageModel(folder.url) }
    #expect(heard.count == 1 && heard[0].contains("adapter"))
  }

  // MARK: As Python writes it

  @Test func configurationsAreReadAsPythonWritesThem() throws {
    try TinyModel().write(to: folder.url)
    let config = folder.url.appendingPathComponent("config.json")
    let text = try String(contentsOf: config, encoding: .utf8)
    // Of repeated keys the last counts; a byte order mark is passed over.
    let changed = "\u{FEFF}{\"rms_norm_eps\": NaN, \"loss\": Infinity, \"least\": -Infinity," + text.dropFirst()
    try Data(changed.utf8).write(to: config)
    #expect(try LanguageModel(folder.url).configuration.normEpsilon == 1e-5)
    try Data((text.dropLast() + ", \"rms_norm_eps\": NaN}").utf8).write(to: config)
    expectRefusal(of: folder.url, ["epsilon", "nan"])
  }

  @Test func metadataMayBeNull() throws {
    try TinyModel().write(to: folder.url)
    let place = folder.url.appendingPathComponent("model.safetensors")
    let data = try Data(contentsOf: place)
    let length = Int(data.prefix(8).enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << UInt64(8 * $1.offset) })
    let header = String(decoding: data[8..<8 + length], as: UTF8.self)
    let changed = Data(header.replacing(/"__metadata__": ?\{[^}]*\}/, with: "\"__metadata__\": null").utf8)
    try #require(String(decoding: changed, as: UTF8.self) != header || !header.contains("__metadata__"))
    let start = withUnsafeBytes(of: UInt64(changed.count).littleEndian) { Data($0) }
    try (start + changed + data.dropFirst(8 + length)).write(to: place)
    _ = try LanguageModel(folder.url)
  }
}
