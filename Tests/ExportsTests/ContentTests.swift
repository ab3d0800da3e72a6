import Checkpoints
import Foundation
import LanguageModels
import LinearAlgebra
import Runtime
import Subnets
import Testing

@testable import Exports

@Suite struct ContentTests {
  private func config(_ name: String, uniform: Bool, type: WeightType = .f16) throws -> JSONValue {
    let folder = try TemporaryFolder()
    let parent = try Fixtures.parent(name)
    let url = folder.url.appendingPathComponent("out")
    try Exporter.export(
      Fixtures.subnet(of: parent, uniform: uniform), parent: parent, record: nil, to: url,
      options: ExportOptions(format: .huggingFace, type: type))
    return try JSONValue.read(url.appendingPathComponent("config.json"))
  }

  @Test func configOfOneWidth() throws {
    #expect(
      try config("mistral-gqa", uniform: true) == [
        "architectures": ["MistralForCausalLM"], "model_type": "mistral", "vocab_size": 320, "hidden_size": 32,
        "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "intermediate_size": 48, "hidden_act": "silu", "max_position_embeddings": 128, "rms_norm_eps": 1e-5,
        "sliding_window": nil, "tie_word_embeddings": false, "dtype": "float16", "torch_dtype": "float16",
        "rope_theta": 10000.0, "rope_parameters": ["rope_type": "default", "rope_theta": 10000.0],
        "bos_token_id": 1, "eos_token_id": 2,
      ])
  }

  @Test func configOfManyWidths() throws {
    let config = try config("qwen2-bias", uniform: false, type: .bf16)
    #expect(config["architectures"] == ["NASMistralForCausalLM"])
    #expect(config["model_type"] == "mistral")
    #expect(config["auto_map"]?["AutoModelForCausalLM"] == "modeling_nas_mistral.NASMistralForCausalLM")
    #expect(config["qkv_bias"] == true)
    #expect(config["num_attention_heads"] == 4)
    #expect(config["intermediate_size"] == 96)
    #expect(config["tie_word_embeddings"] == true)
    #expect(config["dtype"] == "bfloat16")
    #expect(
      config["per_layer_config"] == [
        "0": ["num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 96],
        "1": ["num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 64],
        "2": ["num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 72],
      ])
  }

  @Test func ropeScalingIsWrittenInBothSpellings() throws {
    let llama3 = try config("llama3-gqa", uniform: true)
    let scaling: [String: JSONValue] = [
      "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
      "original_max_position_embeddings": 32,
    ]
    #expect(llama3["rope_scaling"] == .object(scaling))
    #expect(llama3["rope_parameters"] == .object(scaling.merging(["rope_theta": 100.0]) { $1 }))
    #expect(llama3["eos_token_id"] == [318, 319])
    let linear = try config("llama-linear", uniform: false)
    #expect(linear["rope_scaling"] == ["rope_type": "linear", "factor": 4.0])
    #expect(linear["rope_theta"] == 500.0)
  }

  /// Only this class makes transformers 5 use `tokenizer.json` as it stands.
  @Test(arguments: [false, true]) func tokenizerClass(_ gguf: Bool) throws {
    let folder = try TemporaryFolder()
    let name = gguf ? "llama-mha" : "qwen2-bias"
    let parent = try Fixtures.parent(name, gguf: gguf)
    let url = folder.url.appendingPathComponent("out")
    try Exporter.export(parent, parent: parent, record: nil, to: url, options: ExportOptions(format: .huggingFace))
    let config = try JSONValue.read(url.appendingPathComponent("tokenizer_config.json"))
    #expect(config["tokenizer_class"] == "PreTrainedTokenizerFast")
    #expect(config["eos_token"] == (gguf ? "</s>" : "<|im_end|>"))
    if !gguf { #expect(config["model_max_length"] == 256) }
  }

  @Test func keysOfGGUF() throws {
    let folder = try TemporaryFolder()
    let parent = try Fixtures.parent("mistral-gqa")
    let url = folder.url.appendingPathComponent("Tiny.gguf")
    try Exporter.export(
      Fixtures.subnet(of: parent, uniform: false), parent: parent, record: nil, to: url,
      options: ExportOptions(format: .gguf, type: .bf16))
    let file = try GGUFFile(url)
    #expect(file["general.architecture"] == .string("deci"))
    #expect(file["general.name"] == .string("Tiny"))
    #expect(file["general.file_type"] == .uint32(32))
    #expect(file["deci.attention.head_count"] == .array(.int32([6, 4, 2])))
    #expect(file["deci.attention.head_count_kv"] == .array(.int32([3, 2, 1])))
    #expect(file["deci.feed_forward_length"] == .array(.int32([64, 43, 48])))
    #expect(file["deci.attention.key_length"] == .uint32(8))
    #expect(file["deci.rope.dimension_count"] == .uint32(8))
    #expect(file["tokenizer.ggml.bos_token_id"] == .uint32(1))
    #expect(file["tokenizer.ggml.add_bos_token"] == .bool(true))
    #expect(try file.tensor("blk.2.ffn_down.weight").shape == [32, 48])
    #expect(try file.tensor("blk.2.ffn_down.weight").type == .bf16)
    #expect(try file.tensor("blk.2.ffn_norm.weight").type == .f32)
  }

  /// llama.cpp's embedding has a row for each token, so embedding rows beyond the tokenizer need tokens.
  @Test func tokensAreAddedForUnusedRows() throws {
    let folder = try TemporaryFolder()
    let parent = try Fixtures.parent("mistral-gqa")
    var wider = WiderVocabulary(base: parent, configuration: parent.configuration)
    wider.configuration.vocabularySize = 330
    let url = folder.url.appendingPathComponent("wide.gguf")
    try Exporter.export(wider, parent: parent, record: nil, to: url, options: ExportOptions(format: .gguf))
    let file = try GGUFFile(url)
    let tokens = try file.strings("tokenizer.ggml.tokens")
    #expect(tokens.count == 330)
    #expect(tokens.last == "[PAD329]")
    #expect(try file.integers("tokenizer.ggml.token_type").suffix(10) == Array(repeating: 5, count: 10))
    #expect(try file.floatsIfPresent("tokenizer.ggml.scores")?.count == 330)
  }

  @Test func aSlidingWindowIsKept() throws {
    let folder = try TemporaryFolder()
    let parent = try Fixtures.parent("mistral-gqa")
    var windowed = EditedNetwork(parent)
    windowed.configuration.slidingWindow = 16
    for format in ExportFormat.allCases {
      let url = folder.url.appendingPathComponent("\(format)")
      try Exporter.export(
        windowed, parent: parent, record: nil, to: url, options: ExportOptions(format: format, type: .f32))
      #expect(try LanguageModel(url).configuration.slidingWindow == 16)
    }
    let biased = try Fixtures.parent("qwen2-bias")
    var windowedQwen = EditedNetwork(biased)
    windowedQwen.configuration.slidingWindow = 16
    let url = folder.url.appendingPathComponent("qwen2")
    try Exporter.export(
      windowedQwen, parent: biased, record: nil, to: url, options: ExportOptions(format: .huggingFace, type: .f32))
    #expect(try LanguageModel(url).configuration.slidingWindow == 16)
  }

  /// `attention_bias` and `mlp_bias` of Llama, which no fixture has.
  @Test(arguments: ExportFormat.allCases, [true, false])
  func biasesOnAllProjections(_ format: ExportFormat, _ uniform: Bool) throws {
    let folder = try TemporaryFolder()
    let parent = try Fixtures.parent("llama-linear")
    var biased = EditedNetwork(
      uniform
        ? Subnet(of: parent, keeping: parent.configuration.layers.map(KeptUnits.all))
        : Fixtures.subnet(of: parent, uniform: false))
    biased.configuration.queryKeyValueBias = true
    biased.configuration.outputBias = true
    biased.configuration.mlpBias = true
    biased.edit = { _, layer in
      for part in [\LayerWeights.query, \.key, \.value, \.output, \.gate, \.up, \.down] {
        layer[keyPath: part].bias = (0..<layer[keyPath: part].outputs).map { Float($0 % 7) / 16 - 0.2 }
      }
    }
    let url = folder.url.appendingPathComponent("out")
    let options = ExportOptions(format: format, type: .f32)
    let result = try Exporter.export(biased, parent: parent, record: nil, to: url, options: options)
    let hf = uniform ? "LlamaForCausalLM" : "NASMistralForCausalLM"
    #expect(result.architecture == (format == .gguf ? (uniform ? "llama" : "deci") : hf))
    #expect(result.verification.largestDifference < 1e-5)
  }

  @Test func modelCard() throws {
    let folder = try TemporaryFolder()
    let parent = try Fixtures.parent("mistral-gqa")
    let url = folder.url.appendingPathComponent("Small")
    try Exporter.export(
      Fixtures.subnet(of: parent, uniform: false), parent: parent, record: Fixtures.record, to: url,
      options: ExportOptions(format: .huggingFace))
    let card = try String(contentsOf: url.appendingPathComponent("README.md"), encoding: .utf8)
    for part in [
      "# Small\n", "pruned version of `tiny`", "trust_remote_code=True", "| 1 | 4 | 2 | 43 |", "| kl | 0.125 |",
      "| perplexity | 12.5 (dense 10) |", "| parent | 52,960 | 32,448 |", "stored as F16",
    ] {
      #expect(card.contains(part), "\(part)")
    }
  }
}

/// A network with more embedding rows than its parent.
private struct WiderVocabulary: Network {
  let base: LanguageModel
  var configuration: ModelConfiguration

  var embedding: Matrix<Float> { extended(base.embedding) }
  var engine: any Engine { base.engine }
  var memory: MemoryPlan { base.memory }
  var finalNorm: [Float] { base.finalNorm }
  var head: Matrix<Float> { extended(base.head) }
  func layer(_ index: Int) throws -> LayerWeights { try base.layer(index) }

  private func extended(_ matrix: Matrix<Float>) -> Matrix<Float> {
    let result = Matrix<Float>(rows: configuration.vocabularySize, columns: matrix.columns)
    result.rows(0..<matrix.rows).assign(matrix)
    return result
  }
}
