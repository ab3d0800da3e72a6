import Checkpoints
import Foundation
import LanguageModels
import LinearAlgebra
import Runtime
import Subnets
import Testing

@testable import Exports

/// gpt-oss, whose experts are stored in other ways in both formats, and have biases.
@Suite struct GptOssExportTests {
  private let folder: TemporaryFolder
  private let tokens: [Int32] = (0..<40).map { Int32(($0 * 29 + 3) % 64) }

  init() throws { folder = try TemporaryFolder() }

  private func logits(_ network: some Network) throws -> [Float] {
    let windows = TokenWindows([tokens])
    return try network.outputHead(.single)
      .logits(ForwardPass(windows).hiddenStates(of: network), vocabulary: network.head.rows).elements
  }

  private func export(_ network: some Network, _ parent: LanguageModel, _ format: ExportFormat) throws -> ExportResult {
    try Exporter.export(
      network, parent: parent, record: nil, to: folder.url.appendingPathComponent(format == .gguf ? "a.gguf" : "a"),
      options: ExportOptions(format: format, type: .f32, replacing: true))
  }

  /// Subnets without some groups and some experts give the same logits when they are read again.
  @Test(arguments: ["gptoss-sinks", "gptoss-blocks"]) func subnetsAreWrittenInBothFormats(_ name: String) throws {
    let parent = try Fixtures.parent(name)
    let (alike, different) = (
      Fixtures.subnet(of: parent, uniform: true), Fixtures.subnet(of: parent, uniform: false)
    )
    #expect(alike.configuration.layers[0] != parent.configuration.layers[0])
    for (network, expected) in [(alike, "GptOssForCausalLM"), (different, "NASGptOssForCausalLM")] {
      let result = try export(network, parent, .huggingFace)
      #expect(result.architecture == expected)
      let again = try LanguageModel(result.location)
      #expect(again.configuration.layers == network.configuration.layers)
      #expect(try logits(again) == logits(network))
    }
    let dense = try export(parent, parent, .huggingFace)
    #expect(try logits(LanguageModel(dense.location)) == logits(parent))
    // The tensors are those that transformers writes.
    let (written, stored) = (
      try SafetensorsCheckpoint(directory: dense.location), try SafetensorsCheckpoint(directory: parent.location)
    )
    if name == "gptoss-sinks" {
      #expect(Set(written.tensorNames) == Set(stored.tensorNames))
      for tensor in stored.tensorNames {
        #expect(try written.tensor(tensor).hasSameValues(as: stored.tensor(tensor)), "\(tensor)")
      }
    }
  }

  @Test func aFileIsWrittenWhereRoundedYarnIsTheSame() throws {
    let parent = try Fixtures.parent("gptoss-sinks")
    for network in [Fixtures.subnet(of: parent, uniform: true)] {
      let result = try export(network, parent, .gguf)
      #expect(result.architecture == "gpt-oss")
      let again = try LanguageModel(result.location)
      // The last digits of frequencies differ.
      #expect(zip(try logits(again), try logits(network)).allSatisfy { abs($0 - $1) <= 3e-5 })
    }
    // Biases are single precision always.
    let result = try Exporter.export(
      parent, parent: parent, record: nil, to: folder.url.appendingPathComponent("half.gguf"),
      options: ExportOptions(format: .gguf, type: .f16))
    let (written, stored) = (
      try GGUFFile(result.location), try GGUFFile(parent.location.appendingPathComponent("gptoss-sinks.gguf"))
    )
    #expect(Set(written.tensorNames) == Set(stored.tensorNames))
    for name in stored.tensorNames {
      let (mine, theirs) = (try written.tensor(name), try stored.tensor(name))
      #expect(mine.shape == theirs.shape, "\(name)")
      if name.hasSuffix(".bias") || name.contains("sinks") { #expect(mine.type == .f32, "\(name)") }
    }
  }

  @Test func whatLlamaCppCannotBeToldIsRefused() throws {
    func rule(_ network: some Network, _ parent: LanguageModel) throws -> String {
      let error = #expect(throws: ExportError.self) { try export(network, parent, .gguf) }
      guard case .notExpressible(_, let rule) = try #require(error) else { return "\(String(describing: error))" }
      return rule
    }
    let blocks = try Fixtures.parent("gptoss-blocks")
    #expect(try rule(blocks, blocks).contains("'truncate' is false"))
    let parent = try Fixtures.parent("gptoss-sinks")
    var other = EditedNetwork(parent)
    other.configuration.block.activation = .clamped(limit: 6, alpha: 1.702)
    #expect(try rule(other, parent).contains("cuts the activation off at other numbers"))
    other = EditedNetwork(parent)
    other.configuration.attentionKinds = [0, 1, 0]
    #expect(try rule(other, parent).contains("a window in every second layer"))
    #expect(try rule(Fixtures.subnet(of: parent, uniform: false), parent).contains("one width for all layers"))
    #expect(folder.content == [])
  }
}
