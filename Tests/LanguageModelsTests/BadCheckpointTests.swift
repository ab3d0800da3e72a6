import Checkpoints
import Foundation
import Testing
import Tokenizers

@testable import LanguageModels

/// What is wrong with a checkpoint is an error that names the file and the tensor, never a crash.
@Suite struct BadCheckpointTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private var weights: URL { folder.url.appendingPathComponent("model.safetensors") }

  /// Opening the model and reading everything in it fails with an error of the model or its checkpoint.
  private func expectError(
    _ parts: String..., at place: URL? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    do {
      let model = try LanguageModel(place ?? folder.url)
      for index in 0..<model.configuration.layerCount { _ = try model.layer(index) }
      Issue.record("no error", sourceLocation: sourceLocation)
    } catch {
      #expect(error is ModelError || error is CheckpointError, sourceLocation: sourceLocation)
      let text = "\(error)"
      #expect(!text.contains("\n"), sourceLocation: sourceLocation)
      for part in parts { #expect(text.contains(part), "\(text)", sourceLocation: sourceLocation) }
    }
  }

  @Test func truncatedFileIsAnError() throws {
    try TinyModel().write(to: folder.url)
    let whole = try Data(contentsOf: weights)
    for count in [0, 4, 8, 100, whole.count / 2, whole.count - 1] {
      try whole.prefix(count).write(to: weights)
      expectError(weights.path)
    }
    try whole.write(to: weights)
    _ = try LanguageModel(folder.url)
  }

  @Test func truncatedGGUFIsAnError() throws {
    let whole = try Data(contentsOf: Fixture.llama3GQA.gguf)
    let place = folder.url.appendingPathComponent("cut.gguf")
    for count in [0, 3, 20, 1000, whole.count / 2, whole.count - 300] {
      try whole.prefix(count).write(to: place)
      expectError(place.path, at: place)
    }
  }

  @Test(arguments: [
    "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight", "model.layers.1.self_attn.q_proj.weight",
    "model.layers.0.self_attn.k_proj.bias", "model.layers.1.mlp.down_proj.weight", "model.layers.0.mlp.up_proj.bias",
    "model.layers.1.post_attention_layernorm.weight",
  ])
  func everyTensorIsChecked(name: String) throws {
    let good = TinyModel(attentionBias: true, mlpBias: true)
    let whole = try #require(good.tensors[name])
    var bad = good
    // A bias that is missing is zero, as in transformers.
    if !name.hasSuffix(".bias") {
      bad.tensors[name] = nil
      try bad.write(to: folder.url)
      expectError(folder.url.path, "'\(name)'")
    }

    bad.tensors[name] = .init(shape: [1] + whole.shape, values: whole.values)
    try bad.write(to: folder.url)
    expectError(weights.path, "'\(name)'", "\([1] + whole.shape)", "\(whole.shape)")

    bad.tensors[name] = .init(
      shape: [whole.shape[0] - 1] + whole.shape.dropFirst(),
      values: Array(whole.values.dropLast(whole.values.count / whole.shape[0])))
    try bad.write(to: folder.url)
    expectError(weights.path, "'\(name)'", "\(whole.shape)")

    for value in [Float.nan, .infinity, -.infinity] {
      bad.tensors[name] = whole
      bad.tensors[name]?.values[whole.values.count - 2] = value
      try bad.write(to: folder.url)
      expectError(weights.path, "'\(name)'", "\(value)", "element \(whole.values.count - 2)")
    }
    try good.write(to: folder.url)
    _ = try LanguageModel(folder.url).layer(0)
  }

  /// Tensors of several parts are named as the file has them.
  @Test func joinedTensorsAreNamedByTheFile() throws {
    var whole = TinyModel(config: ["architectures": ["Phi3ForCausalLM"], "model_type": "phi3"])
    for layer in ["model.layers.0", "model.layers.1"] {
      for (joined, parts) in [
        ("self_attn.qkv_proj", ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
        ("mlp.gate_up_proj", ["mlp.gate_proj", "mlp.up_proj"]),
      ] {
        let stored = parts.compactMap { whole.tensors.removeValue(forKey: "\(layer).\($0).weight") }
        whole.tensors["\(layer).\(joined).weight"] = .init(
          shape: [stored.reduce(0) { $0 + $1.shape[0] }, 16], values: stored.flatMap(\.values))
      }
    }
    try whole.write(to: folder.url)
    _ = try LanguageModel(folder.url).layer(1)
    for name in ["model.layers.1.self_attn.qkv_proj.weight", "model.layers.0.mlp.gate_up_proj.weight"] {
      let stored = try #require(whole.tensors[name])
      var bad = whole
      bad.tensors[name] = nil
      try bad.write(to: folder.url)
      expectError("no tensor '\(name)'")
      bad.tensors[name] = .init(shape: [stored.shape[0] * 2, 8], values: stored.values)
      try bad.write(to: folder.url)
      expectError("tensor '\(name)'", "[\(stored.shape[0] * 2), 8]")
      bad.tensors[name] = .init(shape: [stored.shape[0], 8], values: Array(stored.values.prefix(stored.shape[0] * 8)))
      try bad.write(to: folder.url)
      expectError("tensor '\(name)' has shape [\(stored.shape[0]), 8], the configuration says \(stored.shape)")
      // In the last of the parts.
      let place = stored.values.count - 3
      bad.tensors[name] = stored
      bad.tensors[name]?.values[place] = .nan
      try bad.write(to: folder.url)
      expectError("tensor '\(name)' holds nan at element \(place)")
    }
  }

  @Test func transposedMatrixIsAnError() throws {
    var tiny = TinyModel()
    let name = "model.layers.0.mlp.gate_proj.weight"
    tiny.tensors[name]?.shape = [16, 24]
    try tiny.write(to: folder.url)
    expectError(weights.path, "'\(name)'", "[16, 24]", "[24, 16]")
  }

  @Test func integersAreNoWeights() throws {
    try TinyModel().write(to: folder.url)
    let text = try String(decoding: Data(contentsOf: weights), as: Unicode.ASCII.self)
    let header = try #require(text.range(of: "\"F32\""))
    var data = try Data(contentsOf: weights)
    let place = text.distance(from: text.startIndex, to: header.lowerBound)
    data.replaceSubrange(place..<place + 5, with: Data("\"Q32\"".utf8))
    try data.write(to: weights)
    expectError(weights.path, "Q32")
  }

  @Test func narrowTypesAreRead() throws {
    for type in [ElementType.f16, .bf16] {
      try TinyModel().write(to: folder.url, type: type)
      let model = try LanguageModel(folder.url)
      let exact = TinyModel().tensors["model.embed_tokens.weight"]?.values ?? []
      #expect(distance(model.embedding.elements, exact.map(Double.init)) < (type == .f16 ? 5e-4 : 4e-3))
      #expect(model.embedding.elements != exact)
    }
  }

  @Test func damagedConfigurationIsAnError() throws {
    try TinyModel().write(to: folder.url)
    let config = folder.url.appendingPathComponent("config.json")
    for text in ["", "{", "[]", "{\"hidden_size\": 16,}", "null"] {
      try Data(text.utf8).write(to: config)
      expectError(config.path)
    }
    try Data([0xFF, 0xFE, 0x00]).write(to: config)
    expectError(config.path)
  }

  @Test func foldersWithoutAModelAreErrors() throws {
    expectError(folder.url.path, "neither")
    expectError("nowhere", "no such file", at: folder.url.appendingPathComponent("nowhere"))
    try Data("{}".utf8).write(to: folder.url.appendingPathComponent("config.json"))
    expectError(folder.url.path, "model.safetensors")
    let text = folder.url.appendingPathComponent("notes.txt")
    try Data("not a model".utf8).write(to: text)
    expectError(text.path, at: text)
  }

  @Test func missingTokenizerIsAnError() throws {
    let model = try Fixture.llamaLinear.model()
    let error = #expect(throws: TokenizerError.self) { try model.tokenizer() }
    #expect(error.map { "\($0)" }?.contains("tokenizer.json") == true)
    #expect(error.map { "\($0)" }?.contains(Fixture.llamaLinear.folder.path) == true)
  }

  @Test func aTokenWithoutARowIsAnErrorWhereItOccurs() throws {
    let place = folder.url
    try TinyModel().write(to: place)
    for name in ["tokenizer.json", "tokenizer_config.json"] {
      try FileManager.default.copyItem(
        at: Fixture.llamaMHA.folder.appendingPathComponent(name), to: place.appendingPathComponent(name))
    }
    let model = try LanguageModel(place)
    let tokenizer = try model.tokenizer()
    #expect(tokenizer.vocabularySize == 320 && model.configuration.vocabularySize == 40)
    #expect(try model.checked([0, 39], of: "a.txt", tokenizer) == [0, 39])
    let token = try #require(tokenizer.token(for: 40))
    #expect(throws: ModelError.tokenWithoutRow(text: "a.txt", token: token, id: 40, rows: 40)) {
      try model.checked([0, 40, 41], of: "a.txt", tokenizer)
    }
  }
}
