import Checkpoints
import Foundation
import LanguageModels
import LinearAlgebra
import Runtime
import Subnets
import Testing

@testable import Exports

/// The loaders of each family, for one width and for different ones; and the rules where there is none.
@Suite struct FamilyExportTests {
  private let folder: TemporaryFolder
  private let tokens: [Int32] = (0..<40).map { Int32(($0 * 29 + 3) % 64) }

  init() throws { folder = try TemporaryFolder() }

  @discardableResult
  private func export(
    _ network: some Network, _ parent: LanguageModel, _ format: ExportFormat, as name: String = "out"
  ) throws -> ExportResult {
    try Exporter.export(
      network, parent: parent, record: nil, to: folder.url.appendingPathComponent(name),
      options: ExportOptions(format: format, type: .f32, replacing: true))
  }

  private func rule(_ body: () throws -> Void) throws -> String {
    let error = #expect(throws: ExportError.self) { try body() }
    guard case .notExpressible(_, let rule) = try #require(error) else { return "\(String(describing: error))" }
    return rule
  }

  /// Uniform and heterogeneous, as a folder and as GGUF.
  static let loaders: [(model: String, folders: [String], files: [String])] = [
    ("phi3-fused", ["MistralForCausalLM", "NASMistralForCausalLM"], ["llama", "deci"]),
    ("phi3-partial", ["MistralForCausalLM", "NASMistralForCausalLM"], ["llama", "deci"]),
    ("granite-tied", ["MistralForCausalLM", "NASMistralForCausalLM"], ["llama", "deci"]),
    ("granite-bias", ["LlamaForCausalLM", "NASMistralForCausalLM"], ["llama", "deci"]),
    ("glm-partial", ["Qwen2ForCausalLM", "NASMistralForCausalLM"], ["llama", "deci"]),
    ("chatglm-joined", ["Qwen2ForCausalLM", "NASMistralForCausalLM"], ["llama", "deci"]),
    ("ministral-mixed", ["MinistralForCausalLM", "NASMinistralForCausalLM"], ["llama", "deci"]),
    ("gemma2-caps", ["Gemma2ForCausalLM", "NASGemma2ForCausalLM"], ["gemma2"]),
    ("gemma3-local", ["Gemma3ForCausalLM", "NASGemma3ForCausalLM"], ["gemma3"]),
    // Its 6 heads do not divide 27.
    ("gemma3-scaled", ["NASGemma3ForCausalLM", "NASGemma3ForCausalLM"], []),
    ("smollm3-still", ["SmolLM3ForCausalLM", "NASSmolLM3ForCausalLM"], ["smollm3"]),
    ("olmo2-norms", ["Olmo2ForCausalLM", "NASOlmo2ForCausalLM"], []),
    ("glm4-norms", ["Glm4ForCausalLM", "NASGlm4ForCausalLM"], ["glm4"]),
    ("qwen3moe-six", ["Qwen3MoeForCausalLM", "NASQwen3MoeForCausalLM"], ["qwen3moe"]),
    ("olmoe-five", ["OlmoeForCausalLM", "NASOlmoeForCausalLM"], []),
    ("mixtral-four", ["MixtralForCausalLM", "NASMixtralForCausalLM"], ["llama"]),
    ("gptoss-sinks", ["GptOssForCausalLM", "NASGptOssForCausalLM"], ["gpt-oss"]),
  ]

  @Test(arguments: loaders.indices) func loadersFollowTheWidths(_ index: Int) throws {
    let (name, folders, files) = Self.loaders[index]
    let parent = try Fixtures.parent(name)
    let (alike, different) = (
      Fixtures.subnet(of: parent, uniform: true), Fixtures.subnet(of: parent, uniform: false)
    )
    for (network, expected) in zip([alike, different], folders) {
      let result = try export(network, parent, .huggingFace)
      #expect(result.architecture == expected && result.needsRemoteCode == expected.hasPrefix("NAS"))
    }
    for (network, expected) in zip([alike, different], files) {
      #expect(try export(network, parent, .gguf, as: "out.gguf").architecture == expected)
    }
    let outlooks = ExportFormat.allCases.map { ExportOutlook(parent.configuration, $0) }
    #expect(outlooks[0].ownWidths == .loader(folders[1], needsRemoteCode: true))
    #expect(outlooks[0].warning == nil)
    if files.count > 1 { #expect(outlooks[1].ownWidths == .loader(files[1], needsRemoteCode: false)) }
    if files.count == 1 { #expect(outlooks[1].oneWidth == .loader(files[0], needsRemoteCode: false)) }
    #expect((outlooks[1].warning != nil) == (files.count < 2))
  }

  @Test(arguments: [
    ("gemma2-caps", "'gemma2' has one width for all layers"), ("gemma3-local", "'gemma3' has one width for all layers"),
    ("smollm3-still", "'smollm3' has one width for all layers"),
    ("olmo2-norms", "'olmo2' has one width for all layers"), ("glm4-norms", "'glm4' has one width for all layers"),
    ("qwen3moe-six", "'qwen3moe' has one width for all layers"), ("olmoe-five", "'olmoe' has one width for all layers"),
    ("mixtral-four", "'llama' has one width for all layers"),
    ("gptoss-sinks", "'gpt-oss' has one width for all layers"),
  ]) func differentWidthsAreRefusedBeforeTheWork(_ name: String, _ words: String) throws {
    let parent = try Fixtures.parent(name)
    let target = ExportTarget(
      folder.url.appendingPathComponent("out.gguf").path, ExportOptions(format: .gguf, type: .f32))
    try Exporter.check(parent, [target], layersDiffer: false)
    let early = try rule { try Exporter.check(parent, [target], layersDiffer: true) }
    let late = try rule { try export(Fixtures.subnet(of: parent, uniform: false), parent, .gguf) }
    #expect(early == late && early.contains(words))
    let warning = try #require(ExportOutlook(parent.configuration, .gguf).warning)
    #expect(warning.contains(words) && warning.hasSuffix("--space uniform finds subnets with one width"))
    #expect(folder.content == [])
  }

  /// A layer with fewer experts than a token uses: the token uses all of them, and the file says so where a loader counts.
  @Test(arguments: ["qwen3moe-six", "olmoe-five", "mixtral-four", "gptoss-sinks"])
  func fewExperts(_ name: String) throws {
    let parent = try Fixtures.parent(name)
    let units = parent.configuration.layers.map { KeptUnits(groups: Array(0..<$0.kvHeads), channels: [1]) }
    let subnet = Subnet(of: parent, keeping: units)
    for (format, output) in [(ExportFormat.huggingFace, "one"), (.gguf, "one.gguf")] {
      let result = try export(subnet, parent, format, as: output)
      #expect(!result.needsRemoteCode)
      let reloaded = try LanguageModel(folder.url.appendingPathComponent(output))
      #expect(reloaded.configuration.block.experts?.perToken == 1)
      let windows = TokenWindows(length: 16, tokens: Array(tokens.prefix(16)))
      let (a, b) = (
        try ForwardPass(windows).hiddenStates(of: subnet), try ForwardPass(windows).hiddenStates(of: reloaded)
      )
      #expect(zip(a.elements, b.elements).allSatisfy { abs($0 - $1) <= 1e-4 * (1 + abs($0)) })
    }
    var mixed = units
    mixed[0].channels = Array(0..<parent.configuration.layers[0].mlpChannels)
    #expect(try export(Subnet(of: parent, keeping: mixed), parent, .huggingFace).needsRemoteCode)
    // No container has a bias of all experts.
    let biased = try rule { try export(Subnet(of: parent, keeping: mixed).withOutputBiases(), parent, .huggingFace) }
    #expect(biased.contains("no bias of all experts"))
  }

  @Test func otherRulesOfLlamaCpp() throws {
    func refused(_ network: some Network, _ parent: LanguageModel) throws -> String {
      try rule { try export(network, parent, .gguf) }
    }
    let scaled = try Fixtures.parent("gemma3-scaled")
    #expect(try refused(scaled, scaled) == "llama.cpp's 'gemma3' has a window in all but every 6th layer")
    #expect(ExportOutlook(scaled.configuration, .gguf).warning?.contains("--space") == false)

    let olmo = try Fixtures.parent("olmo2-norms")
    let heads = "llama.cpp's 'olmo2' wants heads that together are as wide as the hidden size"
    #expect(try refused(Fixtures.subnet(of: olmo, uniform: true), olmo) == heads)
    let outlook = ExportOutlook(olmo.configuration, .gguf)
    #expect(
      outlook.warningOfFewerHeads
        == "subnets with fewer heads cannot be exported as GGUF: \(heads); a space with 'attention: {minimum: 1.0}' keeps all heads"
    )
    #expect(try ExportOutlook(Fixtures.parent("gemma2-caps").configuration, .gguf).warningOfFewerHeads == nil)
    let lines = outlook.lines
    #expect(lines.first == "GGUF, one width for all layers: olmo2; with fewer heads: none, \(heads)")

    let gemma = try Fixtures.parent("gemma2-caps")
    var edited = EditedNetwork(gemma)
    edited.configuration.attentionKinds = [0, 1, 0]
    #expect(try refused(edited, gemma).hasSuffix("has a window in all but every second layer"))

    let smol = try Fixtures.parent("smollm3-still")
    var units = smol.configuration.layers.map(KeptUnits.all)
    (units[1].groups, units[1].channels) = ([], [])
    #expect(
      try refused(Subnet(of: smol, keeping: units), smol).hasSuffix(
        "turns queries and keys in all but every fourth layer"))
    #expect(folder.content == [])
  }

  /// llama.cpp reads no factor of the scores: that of a network is in its queries, before or behind their norm. For one
  /// number of layers it has another factor, that of the 27B sizes.
  @Test(arguments: [
    ("gemma2-caps", 3), ("gemma2-caps", 46), ("gemma3-local", 7), ("gemma3-local", 62), ("glm4-norms", 3),
  ])
  func scalesOfScores(_ name: String, _ layers: Int) throws {
    let parent = try Fixtures.parent(name)
    let stack = Stack(parent, layers: layers)
    for scale in [nil, Float(0.2)] {
      var network = EditedNetwork(stack)
      network.configuration.block.scoreScale = scale
      let expected = try logits(network, tokens)
      let result = try export(network, parent, .gguf, as: "\(scale ?? 0).gguf")
      let found = try LanguageModel(result.location)
      let isKnown = layers == 46 || layers == 62
      let heads = Float(parent.configuration.layers[0].queryHeads)
      let standard = (heads / Float(parent.configuration.hiddenSize)).squareRoot()
      #expect(found.configuration.block.scoreScale == (isKnown ? standard : nil))
      let layer = (try network.layer(0), try found.layer(0))
      if isKnown || scale != nil {
        let norm = name == "gemma3-local"
        #expect((layer.0.query.weight.elements == layer.1.query.weight.elements) == norm)
        #expect((layer.0[gain: .queryNorm] != layer.1[gain: .queryNorm]) == norm)
      }
      // Deep stacks amplify the rounding of the factor.
      #expect(largestDifference(try logits(found, tokens), expected) < (layers > 10 ? 1e-3 : 2e-5))
    }
  }

  /// Gemma without any window: llama.cpp's `gemma2` has one if no key says how long it is.
  @Test(arguments: ["gemma2-caps", "gemma3-local"]) func noWindow(_ name: String) throws {
    let parent = try Fixtures.parent(name)
    var network = EditedNetwork(parent)
    network.configuration.attentionKinds = parent.configuration.layers.map { _ in 0 }
    network.edit = { _, layer in layer.attentionKind = 0 }
    let expected = try logits(network, tokens)
    #expect(largestDifference(expected, try logits(parent, tokens)) > 1e-3)
    for format in ExportFormat.allCases {
      let result = try export(network, parent, format, as: "\(format)")
      let found = try LanguageModel(result.location)
      #expect(largestDifference(try logits(found, tokens), expected) < 1e-5)
      if format == .gguf, let file = found.checkpoint as? GGUFFile {
        let window = file["\(result.architecture).attention.sliding_window"]
        #expect(window == (name == "gemma2-caps" ? .uint32(128) : nil))
      }
    }
  }

  /// Layers that are gone take their kind of attention with them.
  @Test(arguments: ["gemma3-local", "smollm3-still", "ministral-mixed", "glm4-norms"])
  func aLayerLess(_ name: String) throws {
    let parent = try Fixtures.parent(name)
    var units = parent.configuration.layers.map(KeptUnits.all)
    (units[1].groups, units[1].channels) = ([], [])
    let subnet = Subnet(of: parent, keeping: units)
    let result = try export(subnet, parent, .huggingFace)
    #expect(!result.needsRemoteCode)
    let found = try LanguageModel(result.location)
    #expect(found.configuration.layerCount == parent.configuration.layerCount - 1)
    #expect(largestDifference(try logits(found, tokens), try logits(subnet, tokens)) < 1e-5)
  }

  /// Layers without attention and without MLP, and biases of a repair, need the family's own module: the classes of
  /// SmolLM 3 alone have such biases.
  @Test(arguments: ["gemma2-caps", "gemma3-local", "smollm3-still", "olmo2-norms", "ministral-mixed"])
  func missingPartsAndBiases(_ name: String) throws {
    let parent = try Fixtures.parent(name)
    var units = parent.configuration.layers.map(KeptUnits.all)
    units[1].groups = []
    units[2].channels = []
    let biased = Fixtures.subnet(of: parent, uniform: true).withOutputBiases()
    for (network, needsCode) in [(Subnet(of: parent, keeping: units), true), (biased, name != "smollm3-still")] {
      let result = try export(network, parent, .huggingFace)
      #expect(result.needsRemoteCode == needsCode)
      let found = try LanguageModel(result.location)
      #expect(found.configuration.layers == network.configuration.layers)
      #expect(largestDifference(try logits(found, tokens), try logits(network, tokens)) < 1e-5)
    }
  }

  @Test func glm4TakesNoOtherBiases() throws {
    let parent = try Fixtures.parent("glm4-norms")
    let biased = Fixtures.subnet(of: parent, uniform: true).withOutputBiases()
    #expect(
      try rule { try export(biased, parent, .huggingFace) }
        == "the class 'NASGlm4ForCausalLM' has other biases than this network")
  }
}

/// The layers of a network over and over, with the windows of llama.cpp's pattern.
private struct Stack: Network {
  let base: LanguageModel
  var configuration: ModelConfiguration

  init(_ base: LanguageModel, layers count: Int) {
    self.base = base
    configuration = base.configuration
    let step = configuration.family.name == "gemma2" ? 2 : 6
    configuration.layers = (0..<count).map { base.configuration.layers[$0 % base.configuration.layerCount] }
    if !configuration.attentionKinds.isEmpty {
      configuration.attentionKinds = (0..<count).map { $0 % step < step - 1 ? 1 : 0 }
    }
  }

  var embedding: Matrix<Float> { base.embedding }
  var engine: any Engine { base.engine }
  var memory: MemoryPlan { base.memory }
  var finalNorm: [Float] { base.finalNorm }
  var head: Matrix<Float> { base.head }

  func layer(_ index: Int) throws -> LayerWeights {
    var weights = try base.layer(index % base.configuration.layerCount)
    weights.attentionKind = configuration.attentionKind(of: index)
    return weights
  }
}
