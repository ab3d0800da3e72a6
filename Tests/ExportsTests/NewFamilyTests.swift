import Checkpoints
import Foundation
import Testing

@testable import Exports
@testable import LanguageModels

/// What `docs/adding-a-family.md` asks for, and nothing more: Qwen 3 with norms of other names, and a class of its own.
private let lantern = Family(
  name: "lantern", architectures: ["LanternForCausalLM"], modelTypes: ["lantern"], ggufArchitectures: ["qwen3"],
  ggufInterleavesRotaryRows: false,
  partNames: PartName.common.merging([
    .queryNorm: PartName("self_attn.query_layernorm", gguf: "attn_q_norm"),
    .keyNorm: PartName("self_attn.key_layernorm", gguf: "attn_k_norm"),
  ]) { $1 },
  biases: .none, window: .none, defaults: Family.Defaults(vocabulary: 1000, channels: 64, context: 512),
  huggingFaceForms: [
    HuggingFaceForm(architecture: "LanternForCausalLM", modelType: "lantern", biases: .none, window: .none)
  ],
  ggufForms: [
    GGUFForm(
      architecture: "qwen3", takesWidths: false, biases: .none, interleavesRotaryRows: false, takesRopeDivisors: false)
  ])

/// A family that is defined here is read, run and exported, without a change anywhere else.
@Suite struct NewFamilyTests {
  private let tokens: [Int32] = (0..<40).map { Int32(($0 * 31 + 7) % 300) }
  private let families = [lantern] + Family.all

  /// The weights of a fixture under the family's names.
  private func write(to folder: URL) throws {
    let original = Fixtures.folder.appendingPathComponent("qwen3-tied")
    let checkpoint = try SafetensorsCheckpoint(directory: original)
    var names: [String: String] = [:]
    for name in checkpoint.tensorNames {
      names[name.replacing("q_norm", with: "query_layernorm").replacing("k_norm", with: "key_layernorm")] = name
    }
    let plans = try names.sorted { $0.key < $1.key }.map {
      TensorPlan(name: $0.key, type: .f32, shape: try checkpoint.tensor($0.value).shape)
    }
    try SafetensorsWriter.write(plans, toDirectory: folder) { plan, write in
      try checkpoint.tensor(names[plan.name] ?? "").floats().withUnsafeBufferPointer { try write($0) }
    }
    var config = try JSONValue.read(original.appendingPathComponent("config.json")).object ?? [:]
    config["architectures"] = ["LanternForCausalLM"]
    config["model_type"] = "lantern"
    config["attention_bias"] = nil
    try Data(JSONValue.object(config).text().utf8).write(to: folder.appendingPathComponent("config.json"))
  }

  @Test func isReadRunAndExported() throws {
    let folder = try TemporaryFolder()
    try write(to: folder.url)
    let error = #expect(throws: ModelError.self) { try LanguageModel(folder.url) }
    #expect("\(try #require(error))".contains("'LanternForCausalLM' is not supported"))
    let model = try LanguageModel(folder.url, families: families)
    #expect(model.configuration.family == lantern)
    let expected = try logits(Fixtures.parent("qwen3-tied"), tokens)
    #expect(largestDifference(try logits(model, tokens), expected) == 0)

    let subnet = Fixtures.subnet(of: model, uniform: true)
    let pruned = try logits(subnet, tokens)
    for format in ExportFormat.allCases {
      let place = try TemporaryFolder()
      let url = place.url.appendingPathComponent("out")
      let result = try Exporter.export(
        subnet, parent: model, record: nil, to: url, options: ExportOptions(format: format, type: .f32))
      #expect(result.architecture == (format == .gguf ? "qwen3" : "LanternForCausalLM"))
      let reloaded = try LanguageModel(url, families: families)
      #expect(reloaded.configuration.family == lantern)
      #expect(largestDifference(try logits(reloaded, tokens), pruned) <= 1e-6)
    }
    // No form of the family takes other widths in every layer.
    let different = Fixtures.subnet(of: model, uniform: false)
    let place = try TemporaryFolder()
    for format in ExportFormat.allCases {
      #expect(throws: ExportError.self) {
        try Exporter.export(
          different, parent: model, record: nil, to: place.url.appendingPathComponent("no"),
          options: ExportOptions(format: format, type: .f32))
      }
    }
  }
}
