import Checkpoints
import Foundation
import LanguageModels
import LinearAlgebra
import Subnets
import Testing

@testable import Exports

/// Subnets whose repair added biases to `o_proj` and `down_proj`, as FLAP's does.
@Suite struct OutputBiasTests {
  let tokens: [Int32] = (0..<40).map { Int32(($0 * 29 + 5) % 64) }

  /// A subnet with biases on the two projections in all layers but the last.
  private func repaired(_ parent: LanguageModel, uniform: Bool) -> Subnet<LanguageModel> {
    let subnet = Fixtures.subnet(of: parent, uniform: uniform)
    let shapes = subnet.configuration.layers
    return Subnet(of: parent, layers: shapes) { index in
      var layer = try subnet.layer(index)
      guard index + 1 < shapes.count else { return layer }
      for part in [\LayerWeights.output, \.down] {
        layer[keyPath: part].bias = (0..<layer[keyPath: part].outputs).map { Float(($0 + index) % 5) / 8 - 0.25 }
      }
      return layer
    }.withOutputBiases()
  }

  @Test(arguments: Fixtures.names, [true, false])
  func theConfigurationAgreesWithTheLayers(_ name: String, _ uniform: Bool) throws {
    let parent = try Fixtures.parent(name)
    let subnet = repaired(parent, uniform: uniform)
    #expect(subnet.configuration.outputBias && subnet.configuration.mlpBias)
    #expect(subnet.configuration.queryKeyValueBias == parent.configuration.queryKeyValueBias)
    for index in 0..<subnet.configuration.layerCount {
      let layer = try subnet.layer(index)
      #expect(layer.gate.bias == Array(repeating: 0, count: layer.gate.outputs))
      #expect(layer.up.bias == layer.gate.bias)
      #expect((layer.query.bias != nil) == parent.configuration.queryKeyValueBias)
      let isLast = index + 1 == subnet.configuration.layerCount
      #expect(layer.output.bias?.count == parent.configuration.hiddenSize)
      #expect(layer.down.bias?.allSatisfy { $0 == 0 } == isLast)
    }
  }

  @Test(arguments: Fixtures.names, [true, false])
  func bothFormatsGiveTheSameNetwork(_ name: String, _ uniform: Bool) throws {
    let parent = try Fixtures.parent(name)
    let subnet = repaired(parent, uniform: uniform)
    let expected = try logits(subnet, tokens)
    #expect(largestDifference(expected, try logits(Fixtures.subnet(of: parent, uniform: uniform), tokens)) > 0.01)
    for format in ExportFormat.allCases {
      for (type, tolerance) in [(WeightType.f32, 1e-6), (.f16, 0.003), (.bf16, 0.025)] {
        let folder = try TemporaryFolder()
        let url = folder.url.appendingPathComponent("out")
        let result = try Exporter.export(
          subnet, parent: parent, record: nil, to: url, options: ExportOptions(format: format, type: type))
        if format == .gguf { #expect(result.architecture == (uniform ? "llama" : "deci")) }
        let reloaded = try LanguageModel(url)
        #expect(reloaded.configuration.outputBias && reloaded.configuration.mlpBias)
        var comparison = LogitComparison()
        comparison.add(found: try logits(reloaded, tokens), expected: expected)
        #expect(comparison.relativeRMS <= tolerance)
      }
    }
  }

  @Test func tensorsOfGGUF() throws {
    let folder = try TemporaryFolder()
    let parent = try Fixtures.parent("llama3-gqa")
    let subnet = repaired(parent, uniform: false)
    let url = folder.url.appendingPathComponent("out.gguf")
    try Exporter.export(subnet, parent: parent, record: nil, to: url, options: ExportOptions(format: .gguf, type: .f16))
    let file = try GGUFFile(url)
    for index in 0..<subnet.configuration.layerCount {
      let layer = try subnet.layer(index)
      #expect(try file.tensor("blk.\(index).attn_output.bias").type == .f32)
      #expect(try file.tensor("blk.\(index).attn_output.bias").floats() == layer.output.bias)
      #expect(try file.tensor("blk.\(index).ffn_down.bias").floats() == layer.down.bias)
      #expect(try file.tensor("blk.\(index).ffn_up.bias").floats() == layer.up.bias)
      #expect(!file.contains("blk.\(index).attn_q.bias"))
    }
  }

  /// Heads that divide the hidden size make a stock Llama, whose `attention_bias` asks for zeros on q, k and v.
  @Test func uniformWidthsNeedNoCodeWhereLlamaTakesThem() throws {
    let (architecture, config, checkpoint) = try exported("mistral-gqa", slidingWindow: nil)
    #expect(architecture == "LlamaForCausalLM")
    #expect(config["attention_bias"] == true && config["mlp_bias"] == true && config["output_bias"] == nil)
    for part in ["q_proj", "k_proj", "v_proj"] {
      let bias = try checkpoint.tensor("model.layers.1.self_attn.\(part).bias").floats()
      #expect(!bias.isEmpty && bias.allSatisfy { $0 == 0 })
    }
  }

  @Test func uniformWidthsElseComeWithTheModule() throws {
    let (architecture, config, checkpoint) = try exported("mistral-gqa", slidingWindow: 16)
    #expect(architecture == "NASMistralForCausalLM")
    #expect(config["output_bias"] == true && config["mlp_bias"] == true && config["qkv_bias"] == nil)
    #expect(config["sliding_window"] == 16 && config["per_layer_config"]?["2"] != nil)
    #expect(!checkpoint.contains("model.layers.1.self_attn.q_proj.bias"))
  }

  /// Biases on query, key, value and MLP alone: Llama has no switch for that, so its output gets zeros.
  @Test func missingOutputBiasesAreZero() throws {
    let folder = try TemporaryFolder()
    let parent = try Fixtures.parent("qwen2-bias")
    var network = EditedNetwork(parent)
    network.configuration.mlpBias = true
    let configuration = network.configuration
    network.edit = { $1 = $1.fillingBiases(for: configuration) }
    let url = folder.url.appendingPathComponent("out")
    let result = try Exporter.export(
      network, parent: parent, record: nil, to: url, options: ExportOptions(format: .huggingFace, type: .f32))
    #expect(result.architecture == "LlamaForCausalLM")
    #expect(try LanguageModel(url).configuration.outputBias)
    #expect(largestDifference(try logits(LanguageModel(url), tokens), try logits(parent, tokens)) < 1e-5)
  }

  private func exported(
    _ name: String, slidingWindow: Int?
  ) throws -> (architecture: String, config: JSONValue, SafetensorsCheckpoint) {
    let folder = try TemporaryFolder()
    let parent = try Fixtures.parent(name)
    var network = EditedNetwork(repaired(parent, uniform: true))
    network.configuration.slidingWindow = slidingWindow
    let url = folder.url.appendingPathComponent("out")
    let result = try Exporter.export(
      network, parent: parent, record: nil, to: url, options: ExportOptions(format: .huggingFace, type: .f32))
    let card = try String(contentsOf: url.appendingPathComponent("README.md"), encoding: .utf8)
    #expect(card.contains("The layers have biases") == result.needsRemoteCode)
    return (
      result.architecture, try JSONValue.read(url.appendingPathComponent("config.json")),
      try SafetensorsCheckpoint(directory: url)
    )
  }
}
