import Exports
import LanguageModels
import Subnets
import Testing

/// Layers without attention, without MLP, or without both.
@Suite struct MissingPartsTests {
  private static let tokens: [Int32] = [5, 17, 3, 58, 40, 2, 61, 9, 30, 11, 45, 24]

  /// What is missing in layer 1.
  enum Missing: String, CaseIterable, Sendable {
    case attention, mlp, both
  }

  /// - Parameter biases: whether the subnet has a repair's.
  private static func subnet(
    _ parent: LanguageModel, _ missing: Missing, biases: Bool, others: Int = 32
  ) -> Subnet<LanguageModel> {
    var units = parent.configuration.layers.map(KeptUnits.all)
    for index in units.indices { units[index].channels = Array(units[index].channels.prefix(others)) }
    if missing != .mlp { units[1].groups = [] }
    if missing != .attention { units[1].channels = [] }
    let subnet = Subnet(of: parent, keeping: units)
    return biases ? subnet.withOutputBiases() : subnet
  }

  @Test(arguments: Fixtures.names, Missing.allCases)
  func theExportComputesTheSame(_ name: String, _ missing: Missing) throws {
    let parent = try Fixtures.parent(name)
    for biases in [false, true] {
      let subnet = Self.subnet(parent, missing, biases: biases)
      let expected = try logits(subnet, Self.tokens)
      #expect(largestDifference(expected, try logits(parent, Self.tokens)) > 0.001)
      for format in ExportFormat.allCases {
        let folder = try TemporaryFolder()
        let url = folder.url.appendingPathComponent("out")
        let result = try Exporter.export(
          subnet, parent: parent, record: nil, to: url, options: ExportOptions(format: format, type: .f32))
        let reloaded = try LanguageModel(url)
        #expect(largestDifference(try logits(reloaded, Self.tokens), expected) < 1e-5)
        let layers = reloaded.configuration.layers
        #expect(layers.count == parent.configuration.layerCount - (missing == .both ? 1 : 0))
        switch missing {
        case .attention: #expect(layers[1].kvHeads == 0 && layers[1].queryHeads == 0)
        // llama.cpp would leave out the attention of a layer without MLP: it gets channels of zeros.
        case .mlp: #expect(layers[1].mlpChannels == (format == .gguf ? 32 : 0))
        case .both: #expect(result.needsRemoteCode == (format == .huggingFace && biases && !Self.isLlama(parent)))
        }
      }
    }
  }

  /// Whether stock Llama takes the subnet with its biases.
  private static func isLlama(_ parent: LanguageModel) -> Bool {
    let configuration = parent.configuration
    return configuration.hiddenSize % configuration.layers[0].queryHeads == 0 && configuration.slidingWindow == nil
  }

  /// Without whole layers a network stays one for stock classes.
  @Test func fewerLayersNeedNoCode() throws {
    let parent = try Fixtures.parent("mistral-gqa")
    let folder = try TemporaryFolder()
    let subnet = Self.subnet(parent, .both, biases: false)
    let folderResult = try Exporter.export(
      subnet, parent: parent, record: nil, to: folder.url.appendingPathComponent("hf"),
      options: ExportOptions(format: .huggingFace, type: .f32))
    #expect(folderResult.architecture == "MistralForCausalLM")
    let file = try Exporter.export(
      subnet, parent: parent, record: nil, to: folder.url.appendingPathComponent("gguf"),
      options: ExportOptions(format: .gguf, type: .f32))
    #expect(file.architecture == "llama")
  }
}
