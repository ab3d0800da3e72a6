import Checkpoints
import Foundation
import LanguageModels
import Runtime
import Subnets
import Testing

@testable import Exports

/// Networks with norms on the heads of queries and keys.
@Suite struct Qwen3ExportTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @discardableResult
  private func export(
    _ network: some Network, _ parent: LanguageModel, _ format: ExportFormat, as name: String = "out"
  ) throws -> ExportResult {
    try Exporter.export(
      network, parent: parent, record: nil, to: folder.url.appendingPathComponent(name),
      options: ExportOptions(format: format, type: .f32))
  }

  @Test(arguments: Fixtures.qwen3) func architecturesFollowTheWidths(_ name: String) throws {
    let parent = try Fixtures.parent(name)
    let (alike, different) = (
      Fixtures.subnet(of: parent, uniform: true), Fixtures.subnet(of: parent, uniform: false)
    )
    let stock = try export(alike, parent, .huggingFace, as: "alike")
    #expect(stock.architecture == "Qwen3ForCausalLM" && !stock.needsRemoteCode)
    #expect(try export(alike, parent, .gguf, as: "alike.gguf").architecture == "qwen3")
    let own = try export(different, parent, .huggingFace, as: "different")
    #expect(own.architecture == "NASQwen3ForCausalLM" && own.needsRemoteCode)
    let module = folder.url.appendingPathComponent("different/modeling_nas_qwen3.py")
    #expect(try String(contentsOf: module, encoding: .utf8).contains("class NASQwen3ForCausalLM"))
    guard parent.configuration.tiedEmbeddings else { return }
    #expect(try export(different, parent, .gguf, as: "different.gguf").architecture == "openelm")
  }

  /// llama.cpp's `openelm` reads query, key and value as one tensor, in this order.
  @Test func openELMHoldsQueryKeyAndValueInOne() throws {
    let parent = try Fixtures.parent("qwen3-tied")
    let subnet = Fixtures.subnet(of: parent, uniform: false)
    let result = try export(subnet, parent, .gguf)
    let file = try GGUFFile(result.location)
    for index in subnet.configuration.layers.indices {
      let layer = try subnet.layer(index)
      let joined = [layer.query, layer.key, layer.value].flatMap { $0.weight.elements }
      #expect(try file.tensor("blk.\(index).attn_qkv.weight").floats() == joined)
      #expect(!file.contains("blk.\(index).attn_q.weight"))
      #expect(try file.tensor("blk.\(index).attn_q_norm.weight").floats() == layer[gain: .queryNorm])
      #expect(try file.tensor("blk.\(index).attn_k_norm.weight").floats() == layer[gain: .keyNorm])
    }
    #expect(try LanguageModel(result.location).configuration.layers == subnet.configuration.layers)
  }

  @Test func whatNoLoaderTakesIsRefusedBeforeTheWork() throws {
    let parent = try Fixtures.parent("qwen3-odd")
    let target = ExportTarget(
      folder.url.appendingPathComponent("out.gguf").path, ExportOptions(format: .gguf, type: .f32))
    try Exporter.check(parent, [target], layersDiffer: false)
    let early = #expect(throws: ExportError.self) { try Exporter.check(parent, [target], layersDiffer: true) }
    let late = #expect(throws: ExportError.self) {
      try export(Fixtures.subnet(of: parent, uniform: false), parent, .gguf)
    }
    #expect(early == late)
    #expect(
      "\(try #require(early))".contains(
        "'openelm' takes layers of different widths, but its output head is the embedding"))
    // Biases of a repair: neither architecture reads them.
    let tied = try Fixtures.parent("qwen3-tied")
    let biased = Fixtures.subnet(of: tied, uniform: true).withOutputBiases()
    #expect(throws: ExportError.self) { try export(biased, tied, .gguf) }
    #expect(try export(biased, tied, .huggingFace).architecture == "NASQwen3ForCausalLM")
    // A layer without attention.
    var units = tied.configuration.layers.map(KeptUnits.all)
    units[1].groups = []
    let error = #expect(throws: ExportError.self) {
      try export(Subnet(of: tied, keeping: units), tied, .gguf, as: "other.gguf")
    }
    #expect("\(try #require(error))".contains("has attention in every layer, and layer 1 has none"))
    #expect(folder.content == ["out"])
  }

  /// Every norm is written under its own name, and found there again.
  @Test(arguments: ExportFormat.allCases) func normsAreNotMixedUp(_ format: ExportFormat) throws {
    let parent = try Fixtures.parent("qwen3-tied")
    var network = EditedNetwork(parent)
    network.edit = { index, layer in
      for norm in LayerPart.norms {
        layer[gain: norm] = layer[gain: norm].indices.map { Float(norm.rawValue + 1) + Float(index + $0) / 64 }
      }
    }
    let result = try export(network, parent, format)
    let reloaded = try LanguageModel(result.location)
    let names = reloaded.tensorNames
    for index in parent.configuration.layers.indices {
      let layer = try network.layer(index)
      for norm in LayerPart.norms where parent.configuration.block.parts.contains(norm) {
        let stored = try reloaded.checkpoint.tensor(names.weight(norm, layer: index)).floats()
        #expect(stored == layer[gain: norm] && !stored.isEmpty, "\(norm)")
      }
    }
    // The verification compares them by their names.
    for norm in LayerPart.norms where parent.configuration.block.parts.contains(norm) {
      var other = network
      other.edit = { [edit = network.edit] index, layer in
        edit(index, &layer)
        if index == 1 { layer[gain: norm][3] += 0.5 }
      }
      let configuration = parent.configuration
      let layout =
        format == .gguf
        ? try TensorLayout(GGUFForm.choice(for: configuration), configuration)
        : try TensorLayout(HuggingFaceForm.choice(for: configuration), configuration)
      let tensors = NetworkTensors(
        other, names: names, matrixType: { _, _ in .f32 }, vectorType: .f32, layout: layout)
      let error = #expect(throws: ExportError.self) {
        try Verification(
          of: result.location, as: result.location, other, tensors, TokenWindows([[1, 2, 3]]), monitor: .silent)
      }
      guard case .differentTensor(_, let tensor, let place, _, _) = error else {
        Issue.record("\(norm): \(String(describing: error))")
        continue
      }
      #expect(tensor == names.weight(norm, layer: 1) && place == 3)
    }
  }

  /// A norm that the family has no name for is refused, and one that the network lacks.
  @Test(arguments: ExportFormat.allCases) func strangeNormsAreRefused(_ format: ExportFormat) throws {
    let parent = try Fixtures.parent("llama3-gqa")
    var network = EditedNetwork(parent)
    network.configuration.block.parts.formUnion([.queryNorm, .keyNorm])
    network.edit = { _, layer in
      for part in [LayerPart.queryNorm, .keyNorm] { layer[gain: part] = Array(repeating: 2, count: 8) }
    }
    let error = #expect(throws: ExportError.self) { try export(network, parent, format) }
    #expect("\(try #require(error))".contains("it has no name for the part 'queryNorm'"))
    let qwen = try Fixtures.parent("qwen3-tied")
    var less = EditedNetwork(qwen)
    less.configuration.block.parts.remove(.keyNorm)
    #expect(throws: ExportError.self) { try export(less, qwen, format) }
    #expect(folder.content == [])
  }
}
