import Checkpoints
import Foundation
import Testing

@testable import LanguageModels

/// Folders of ChatGLM 2 and 3 with their own code.
@Suite struct ChatGLMTests {
  private func chatGLM(_ changes: [String: JSONValue?] = [:]) throws -> ModelConfiguration {
    let place = Fixture.chatGLMJoined.folder.appendingPathComponent("config.json")
    var members = try #require(try JSONValue.read(place).object)
    for (key, value) in changes { members[key] = value }
    return try ModelConfiguration(huggingFace: HuggingFaceConfig(.object(members), file: "config.json"))
  }

  /// The keys of ChatGLM's own code; the network is that of a GLM.
  @Test func chatGLMIsAGLM() throws {
    let found = try chatGLM()
    #expect(found.family == .glm && found.hiddenSize == 48 && found.vocabularySize == 320 && found.headDimension == 16)
    #expect(found.layers == Array(repeating: LayerShape(queryHeads: 3, kvHeads: 1, mlpChannels: 40), count: 3))
    #expect(found.contextLength == 256 && found.normEpsilon == 1e-5 && !found.tiedEmbeddings)
    #expect(found.rotary.theta == 20_000 && found.rotary.turnedDimensions == 8)
    #expect(found.queryKeyValueBias && !found.outputBias && !found.mlpBias)
    #expect(found.bosToken == nil && found.eosTokens == [319])
    #expect(try chatGLM(["rope_ratio": nil]).rotary.theta == 10_000)
    #expect(try !chatGLM(["add_qkv_bias": nil]).queryKeyValueBias)
    #expect(try chatGLM(["eos_token_id": nil]).eosTokens == [])
    #expect(try chatGLM(["architectures": ["ChatGLMForConditionalGeneration"]]).family == .glm)
    #expect(try chatGLM(["model_type": nil]).layerCount == 3)
    #expect(try chatGLM(["architectures": nil]).layerCount == 3)
  }

  @Test func otherChatGLMsAreRefusedByName() throws {
    func expect(_ changes: [String: JSONValue?], _ parts: String...) {
      let error = #expect(throws: (any Error).self, "\(changes)") { try chatGLM(changes) }
      for part in parts { #expect(error.map { "\($0)" }?.contains(part) == true, "\(String(describing: error))") }
    }
    expect(["position_encoding_2d": true], "position_encoding_2d")
    expect(["inner_hidden_size": 16_384], "inner_hidden_size")
    expect(["quantization_bit": 4], "quantization_bit is 4", "quantised")
    expect(["pre_seq_len": 128], "pre_seq_len is 128")
    expect(["rmsnorm": false], "rmsnorm is false")
    expect(["post_layer_norm": false], "post_layer_norm is false")
    expect(["multi_query_attention": nil], "multi_query_attention is false")
    expect(["add_bias_linear": true], "add_bias_linear is true")
    expect(["apply_residual_connection_post_layernorm": true], "apply_residual_connection_post_layernorm is true")
    expect(["architectures": ["ChatGLMForSequenceClassification"]], "ChatGLMForSequenceClassification")
    for key in [
      "num_layers", "padded_vocab_size", "ffn_hidden_size", "kv_channels", "multi_query_group_num", "seq_length",
      "layernorm_epsilon",
    ] {
      expect([key: nil], "'\(key)' is missing")
      expect([key: "many"], "'\(key)'", "many")
    }
    expect(["num_layers": 0], "num_layers is 0")
    expect(["seq_length": 0], "(seq_length)")
    expect(["kv_channels": 3], "(kv_channels)")
    expect(["layernorm_epsilon": -1], "(layernorm_epsilon)")
    expect(["rope_ratio": -1], "rope theta -10000.0")
  }

  /// Errors name tensors as the file has them.
  @Test func joinedTensorsAreNamedByTheFile() throws {
    let folder = try TemporaryFolder()
    let source = try SafetensorsCheckpoint(directory: Fixture.chatGLMJoined.folder)
    func problem(without name: String, columns: Int? = nil) throws -> String {
      try Data(contentsOf: Fixture.chatGLMJoined.folder.appendingPathComponent("config.json"))
        .write(to: folder.url.appendingPathComponent("config.json"))
      let plans = try source.tensorNames.filter { $0 != name }.map {
        TensorPlan(name: $0, type: .f32, shape: try source.tensor($0).shape)
      }
      try SafetensorsWriter.write(plans, toDirectory: folder.url) { plan, write in
        try source.tensor(plan.name).floats().withUnsafeBufferPointer { try write($0) }
      }
      let error = #expect(throws: (any Error).self) { try LanguageModel(folder.url) }
      return error.map { "\($0)" } ?? ""
    }
    let layer = "transformer.encoder.layers.1"
    for name in [
      "\(layer).self_attention.query_key_value.weight", "\(layer).mlp.dense_h_to_4h.weight",
      "\(layer).self_attention.dense.weight", "transformer.output_layer.weight",
    ] {
      let found = try problem(without: name)
      #expect(found.contains("'\(name)'"), "\(found)")
    }
  }
}
