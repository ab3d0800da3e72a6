import Checkpoints
import Foundation
import LanguageModels
import LinearAlgebra
import Runtime
import Subnets
import Testing

@testable import Exports

/// Exports in the block types of llama.cpp. That their bytes are those of its encoder is tested with the encoder.
@Suite struct QuantisedExportTests {
  private static let types = WeightType.allCases.filter(\.isQuantised)

  /// A model of rows that are whole blocks, 256 and 512 values, and one of few tokens.
  private func model(_ folder: TemporaryFolder, layers: Int = 3, channels: Int = 512) throws -> LanguageModel {
    let shape = try ModelShape.named("llama-3.2-1b").with(
      layers: layers, channels: channels, heads: 4, kvHeads: 2, vocabulary: 300)
    let url = folder.url.appendingPathComponent("model")
    _ = try SyntheticCheckpoint.write(shape, type: .f32, seed: 5, to: url)
    return try LanguageModel(url)
  }

  private let tokens: [Int32] = (0..<48).map { Int32(($0 * 37 + 11) % 64) }

  /// Mean NLL of the tokens, in nats.
  private func loss(_ network: some Network) throws -> Double {
    let hidden = try ForwardPass(TokenWindows([tokens])).hiddenStates(of: network)
    let logits = try network.outputHead(.single).logits(hidden, vocabulary: network.head.rows)
    return (1..<tokens.count).reduce(0.0) { sum, place in
      let row = (0..<logits.columns).map { Double(logits[place - 1, $0]) }
      let high = row.max() ?? 0
      return sum + high + log(row.reduce(0) { $0 + exp($1 - high) }) - row[Int(tokens[place])]
    } / Double(tokens.count - 1)
  }

  @Test(arguments: types) func filesOpenAgain(type: WeightType) throws {
    let folder = try TemporaryFolder()
    let parent = try model(folder)
    var units = parent.configuration.layers.map(KeptUnits.all)
    units[1] = KeptUnits(groups: [1], channels: Array(0..<288))
    let subnet = Subnet(of: parent, keeping: units)
    let url = folder.url.appendingPathComponent("out.gguf")
    let result = try Exporter.export(
      subnet, parent: parent, record: Fixtures.record, to: url, options: ExportOptions(format: .gguf, type: type))
    let reloaded = try LanguageModel(url)
    #expect(reloaded.configuration.layers == subnet.configuration.layers)
    #expect(result.verification.largestDifference < 1e-3)
    #expect(result.bytes < subnet.configuration.totalParameters * 2)
    // Perplexities of networks with random weights are alike; coarser rounding moves them more.
    let difference = try abs(loss(reloaded) - loss(subnet))
    #expect(difference < (type == .q80 ? 0.003 : type == .q6K ? 0.01 : 0.08), "\(difference)")
    let file = try #require(reloaded.checkpoint as? GGUFFile)
    #expect(file["general.file_type"]?.integer == Int(type.fileType))
    for name in file.tensorNames {
      let stored = try file.tensor(name)
      #expect((stored.type == .f32) == (stored.shape.count == 1), "\(name)")
    }
    // Rows of 288 values fit the small blocks only.
    let down = try file.tensor("blk.1.ffn_down.weight").type
    #expect(down == [.q80: .q80, .q6K: .q80, .q5KM: .q51, .q4KM: .q50, .q40: .q40][type])
    #expect(result.matrices.fallbacks == ([.q80, .q40].contains(type) ? 0 : 2))
  }

  /// All kinds of projections and containers: joined, by expert, with biases and norms.
  @Test(arguments: ["llama3-gqa", "qwen2-bias", "qwen3-tied", "phi3-fused", "mixtral-four", "gptoss-sinks"], types)
  func familiesOpenAgain(_ name: String, _ type: WeightType) throws {
    let folder = try TemporaryFolder()
    let parent = try Fixtures.parent(name)
    let url = folder.url.appendingPathComponent("out.gguf")
    var options = ExportOptions(format: .gguf, type: type)
    options.importanceTokens = TokenWindows([tokens.map { $0 % 32 }])
    // The verification compares every tensor with its rounding, and layers with the stored weights.
    let result = try Exporter.export(parent, parent: parent, record: nil, to: url, options: options)
    #expect(result.verification.largestDifference < 1e-3)
    let file = try GGUFFile(url)
    let types = Set(try file.tensorNames.map { try file.tensor($0).type })
    #expect(types.contains { $0.isQuantised })
    if name == "mixtral-four" { #expect(try file.tensor("blk.0.ffn_gate_inp.weight").type == .f32) }
  }

  /// MLPs of any width get channels of zeros up to whole blocks, and the network stays what it is.
  @Test func widthsAreFilledUpToBlocks() throws {
    let folder = try TemporaryFolder()
    let parent = try model(folder)
    var units = parent.configuration.layers.map(KeptUnits.all)
    units[1].channels = Array(0..<300)
    units[2].channels = Array(5..<262)
    let subnet = Subnet(of: parent, keeping: units)
    func exported(_ type: WeightType) throws -> LanguageModel {
      let url = folder.url.appendingPathComponent("\(type.rawValue).gguf")
      var options = ExportOptions(format: .gguf, type: type)
      options.importanceTokens = TokenWindows([tokens])
      try Exporter.export(subnet, parent: parent, record: nil, to: url, options: options)
      return try LanguageModel(url)
    }
    let blocks = try exported(.q6K)
    #expect(blocks.configuration.layers.map(\.mlpChannels) == [512, 320, 288])
    #expect(try blocks.checkpoint.tensor("blk.1.ffn_down.weight").type == .q80)
    #expect(try blocks.layer(1).down.weight.columns(300..<320).elements.allSatisfy { $0 == 0 })
    #expect(try abs(loss(blocks) - loss(subnet)) < 0.01)
    #expect(try exported(.f16).configuration.layers.map(\.mlpChannels) == [512, 300, 257])
  }

  /// The types that llama.cpp's quantiser gives SmolLM2-135M, by its rules: `use_more_bits` holds for layers 0–2, 26–29 and
  /// every third between, and rows of 576 values fall back.
  @Test func mixturesAreThoseOfLlamaCpp() throws {
    let configuration = try ModelShape.named("smollm2-135m").configuration
    let finer: Set = [0, 1, 2, 5, 8, 11, 14, 17, 20, 23, 26, 27, 28, 29]
    let mixture = TensorMixture(.q4KM, configuration, architecture: "llama")
    #expect(mixture.type(of: "token_embd.weight", columns: 576) == .q80)
    for layer in 0..<30 {
      let isFiner = finer.contains(layer)
      #expect(mixture.type(of: "blk.\(layer).ffn_down.weight", columns: 1536) == (isFiner ? .q6K : .q4K))
      #expect(mixture.type(of: "blk.\(layer).ffn_down.weight", columns: 1504) == (isFiner ? .q80 : .q50))
      #expect(mixture.type(of: "blk.\(layer).attn_v.weight", columns: 576) == (isFiner ? .q80 : .q50))
      #expect(mixture.type(of: "blk.\(layer).attn_k.weight", columns: 576) == .q50)
      #expect(mixture.type(of: "blk.\(layer).ffn_up.weight", columns: 768) == .q4K)
    }
    let five = TensorMixture(.q5KM, configuration, architecture: "llama")
    #expect(five.type(of: "blk.3.ffn_up.weight", columns: 576) == .q51)
    #expect(five.type(of: "blk.2.attn_v.weight", columns: 768) == .q6K)
    #expect(
      TensorMixture(.q40, configuration, architecture: "llama").type(of: "blk.3.ffn_up.weight", columns: 48) == .f16)
    let own = try ModelShape.named("llama-3-8b").configuration
    let untied = TensorMixture(.q4KM, own, architecture: "llama")
    #expect(untied.type(of: "output.weight", columns: 4096) == .q6K)
    #expect(untied.type(of: "token_embd.weight", columns: 4096) == .q4K)
    let large = try ModelShape.named("llama-3-8b").with(layers: 80).configuration
    #expect(
      TensorMixture(.q4KM, large, architecture: "llama").type(of: "blk.10.attn_v.weight", columns: 4096) == .q5K)
    let eight = try ModelShape.named("mixtral-8x7b").configuration
    #expect(TensorMixture(.q4KM, eight, architecture: "llama").type(of: "blk.4.attn_k.weight", columns: 4096) == .q80)
  }

  @Test func bytesDoNotDependOnThreads() throws {
    let folder = try TemporaryFolder()
    let parent = try model(folder)
    var options = ExportOptions(format: .gguf, type: .q4KM, name: "same")
    options.importanceTokens = TokenWindows([tokens, tokens.reversed()])
    let files = try [1, 2, 4].map { threads in
      let url = folder.url.appendingPathComponent("\(threads).gguf")
      try Threads.$idle.withValue(threads) {
        _ = try Exporter.export(parent, parent: parent, record: nil, to: url, options: options)
      }
      return try Data(contentsOf: url)
    }
    #expect(files[0] == files[1] && files[0] == files[2])
  }

  /// The importance is that of the network's own activations, and errors on them fall.
  @Test(arguments: [WeightType.q40, .q4KM, .q6K]) func importanceLowersTheErrorOnActivations(type: WeightType) throws {
    let folder = try TemporaryFolder()
    let parent = try model(folder)
    let windows = TokenWindows([tokens])
    let importance = try InputImportance(of: parent, on: windows, monitor: .silent)
    func error(_ weighted: Bool) throws -> Double {
      let url = folder.url.appendingPathComponent("\(weighted).gguf")
      var options = ExportOptions(format: .gguf, type: type)
      if weighted { options.importanceTokens = windows }
      try Exporter.export(parent, parent: parent, record: nil, to: url, options: options)
      let (found, expected) = (try LanguageModel(url).layer(1).down.weight, try parent.layer(1).down.weight)
      let weights = try #require(importance.columns(of: .down, layer: 1, count: expected.columns))
      return (0..<expected.rows).reduce(0) { sum, row in
        (0..<expected.columns).reduce(sum) {
          $0 + Double(weights[$1]) * pow(Double(found[row, $1] - expected[row, $1]), 2)
        }
      }
    }
    #expect(try error(true) < error(false))
  }

  /// The squares of the activations themselves.
  @Test func importanceIsTheDiagonalOfTheGram() throws {
    let folder = try TemporaryFolder()
    let parent = try model(folder, layers: 1, channels: 64)
    let importance = try InputImportance(of: parent, on: TokenWindows([tokens]), monitor: .silent)
    let pass = ForwardPass(TokenWindows([tokens]))
    let hidden = try pass.runner(for: parent).inputs(of: .attention, layer: parent.layer(0), pass.embed(parent))
    let sums = (0..<hidden.columns).map { column in
      (0..<hidden.rows).reduce(0) { $0 + Double(hidden[$1, column]) * Double(hidden[$1, column]) }
    }
    let mean = sums.reduce(0, +) / Double(sums.count)
    let found = try #require(importance.columns(of: .output, layer: 0, count: sums.count))
    for (a, b) in zip(found, sums) { #expect(abs(Double(a) - max(1e-4, b / mean)) < 1e-3 * (1 + b / mean)) }
    #expect(importance.columns(of: .output, layer: 0, count: sums.count + 1) == nil)
  }

  /// An export of ours may be replaced as long as nobody else quantised it.
  @Test func replacing() throws {
    let folder = try TemporaryFolder()
    let parent = try Fixtures.parent("llama-mha")
    let url = folder.url.appendingPathComponent("out.gguf")
    func export(_ type: WeightType, replacing: Bool) throws {
      try Exporter.export(
        parent, parent: parent, record: Fixtures.record, to: url,
        options: ExportOptions(format: .gguf, type: type, replacing: replacing))
    }
    try export(.q4KM, replacing: false)
    #expect(throws: CheckpointError.self) { try export(.q80, replacing: false) }
    try export(.q80, replacing: true)
    #expect(OwnExport.objection(.gguf)(url) == nil)
    // As a tool does that quantises a file of ours: it keeps our keys and writes its own type.
    let file = try GGUFFile(url)
    let plans = try file.tensorNames.map { name in
      let tensor = try file.tensor(name)
      return TensorPlan(name: name, type: tensor.type, shape: tensor.shape)
    }
    let keys = ["general.architecture", OwnExport.recordKey, OwnExport.typeKey]
    let metadata = keys.compactMap { key in file[key].map { (key: key, value: $0) } }
    try FileManager.default.removeItem(at: url)
    try GGUFWriter.write(metadata: metadata + [("general.file_type", .uint32(15))], tensors: plans, to: url) {
      plan, write in try file.tensor(plan.name).floats().withUnsafeBufferPointer { try write($0) }
    }
    #expect(OwnExport.objection(.gguf)(url)?.contains("were converted to Q8_0 since") == true)
  }
}
