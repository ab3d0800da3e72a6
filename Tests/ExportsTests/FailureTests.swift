import Checkpoints
import Foundation
import LanguageModels
import LinearAlgebra
import Subnets
import Synchronization
import Testing

@testable import Exports

@Suite struct FailureTests {
  /// Exports to a place in an empty folder, expects an error, and that nothing is left.
  private func failure(
    _ network: some Network, _ parent: LanguageModel, _ format: ExportFormat, type: WeightType = .f16,
    tokens: TokenWindows? = nil
  ) throws -> String {
    let folder = try TemporaryFolder()
    let url = folder.url.appendingPathComponent("new/out")
    let error = #expect(throws: (any Error).self) {
      try Exporter.export(
        network, parent: parent, record: nil, to: url,
        options: ExportOptions(format: format, type: type, verificationTokens: tokens))
    }
    #expect(folder.content.isEmpty)
    return error.map { "\($0)" } ?? ""
  }

  private func parent() throws -> LanguageModel { try Fixtures.parent("mistral-gqa") }

  private func subnet(_ parent: LanguageModel, layer index: Int, groups: [Int], channels: [Int]) -> Subnet<
    LanguageModel
  > {
    var units = parent.configuration.layers.map(KeptUnits.all)
    units[index] = KeptUnits(groups: groups, channels: channels)
    return Subnet(of: parent, keeping: units)
  }

  @Test func layersThatLoadersRefuse() throws {
    let parent = try parent()
    let channels = Array(0..<32)
    let first = subnet(parent, layer: 0, groups: [], channels: channels)
    #expect(try failure(first, parent, .gguf).contains("takes the head dimension from layer 0"))
    #expect(try failure(first, parent, .huggingFace).contains("layer 0, which must have attention"))
    var linear = EditedNetwork(subnet(parent, layer: 1, groups: [], channels: channels))
    linear.configuration.layers[1].queryHeads = 2
    #expect(try failure(linear, parent, .gguf).contains("linear attention"))
  }

  @Test(arguments: ExportFormat.allCases) func damagedWeights(_ format: ExportFormat) throws {
    let parent = try parent()
    var broken = EditedNetwork(parent)
    broken.edit = { index, layer in
      guard index == 1 else { return }
      layer.up.weight = layer.up.weight.copy()
      layer.up.weight[2, 3] = .nan
    }
    let name = format == .gguf ? "blk.1.ffn_up.weight" : "model.layers.1.mlp.up_proj.weight"
    #expect(try failure(broken, parent, format) == "tensor '\(name)' holds nan at element 67")
    broken.edit = { index, layer in
      guard index == 1 else { return }
      layer.up.weight = layer.up.weight.copy()
      layer.up.weight[2, 3] = 70_000
    }
    #expect(try failure(broken, parent, format) == "tensor '\(name)': element 67 is 70000.0, too large for F16")
    broken.edit = { _, layer in layer.up.weight = layer.up.weight.rows(0..<63) }
    #expect(try failure(broken, parent, format).contains("has shape [63, 32], the configuration says [64, 32]"))
    broken.edit = { _, layer in layer.output.bias = Array(repeating: 0.5, count: 32) }
    #expect(try failure(broken, parent, format).contains("is there, but the configuration has no such bias"))
  }

  /// A network that gives other weights when it is compared than when it was written.
  @Test(arguments: ExportFormat.allCases) func differencesAreFound(_ format: ExportFormat) throws {
    let parent = try parent()
    let calls = Counter()
    var unsteady = EditedNetwork(parent)
    unsteady.edit = { index, layer in
      guard index == 2, calls.next() > 1 else { return }
      layer.key.weight = layer.key.weight.copy()
      layer.key.weight[5, 7] += 1
    }
    let message = try failure(unsteady, parent, format)
    #expect(message.contains("came back with"))
    #expect(message.contains(format == .gguf ? "blk.2.attn_k.weight" : "model.layers.2.self_attn.k_proj.weight"))
    #expect(message.contains("at element 167"))
  }

  @Test func logitsAreJudged() throws {
    let expected = Matrix<Float>([0, 1, 2, 3], rows: 2, columns: 2)
    var close = LogitComparison()
    close.add(found: Matrix([0, 1, 2, 3.001], rows: 2, columns: 2), expected: expected)
    try close.check(.f32, path: "x")
    try close.check(.f16, path: "x")
    var far = LogitComparison()
    far.add(found: Matrix([0, 1, 2, 3.04], rows: 2, columns: 2), expected: expected)
    #expect(abs(far.relativeRMS - 0.04) < 1e-6)
    try far.check(.bf16, path: "x")
    #expect(throws: ExportError.self) { try far.check(.f16, path: "x") }
    #expect(throws: ExportError.self) { try far.check(.f32, path: "x") }
    var nan = LogitComparison()
    nan.add(found: Matrix([0, 1, 2, .nan], rows: 2, columns: 2), expected: expected)
    for type in [ElementType.f32, .f16, .bf16] {
      #expect(throws: ExportError.self) { try nan.check(type, path: "x") }
    }
  }

  @Test func options() throws {
    let parent = try parent()
    #expect(
      try failure(parent, parent, .huggingFace, type: .q4KM)
        == "a Hugging Face folder cannot hold weights of type q4_k_m, only f16, bf16, f32; GGUF can")
    let outside = TokenWindows([[1, 320]])
    #expect(try failure(parent, parent, .gguf, tokens: outside).contains("320 is outside the vocabulary of 320"))
    #expect(try failure(parent, parent, .gguf, tokens: TokenWindows([])).contains("there are none"))
  }

  @Test func ropeScalingsAreRecognised() throws {
    func recognised(_ theta: Double, _ dimension: Int, _ scaling: RotaryConfiguration.Scaling) -> RotaryConfiguration
      .Scaling?
    {
      let divisors = RotaryConfiguration(theta: theta, scaling: scaling).frequencyDivisors(headDimension: dimension)
      return RotaryConfiguration(theta: theta, scaling: .factors(divisors)).recognisedScaling(headDimension: dimension)
    }
    for (factor, original) in [(8.0, 8192.0), (32, 8192), (8, 32), (2, 4096)] {
      let scaling = RotaryConfiguration.Scaling.llama3(
        factor: factor, lowFrequency: 1, highFrequency: 4, originalContext: original)
      #expect(recognised(original < 100 ? 100 : 500_000, 128, scaling) == scaling)
    }
    #expect(recognised(10_000, 64, .linear(factor: 4)) == .linear(factor: 4))
    #expect(recognised(10_000, 64, .factors(Array(repeating: 1, count: 32))) == RotaryConfiguration.Scaling.none)
    let unusual = RotaryConfiguration.Scaling.llama3(
      factor: 8, lowFrequency: 1.5, highFrequency: 3, originalContext: 8192)
    #expect(recognised(500_000, 128, unusual) == nil)
  }

  // MARK: Places

  @Test(arguments: ExportFormat.allCases) func existingPlaces(_ format: ExportFormat) throws {
    let folder = try TemporaryFolder()
    let parent = try parent()
    let url = folder.url.appendingPathComponent("out")
    var options = ExportOptions(format: format)
    try Exporter.export(
      parent, parent: parent, record: ["schema": "nas-search.export", "is": "first"], to: url, options: options)
    let first = try LanguageModel(url).fingerprint()
    #expect(throws: CheckpointError.alreadyExists(path: url.path)) {
      try Exporter.export(
        parent, parent: parent, record: ["schema": "nas-search.export", "is": "second"], to: url, options: options)
    }
    options.replacing = true
    options.type = .f32
    // A failure leaves the old export.
    var broken = EditedNetwork(parent)
    broken.edit = { _, layer in layer.up.weight = layer.up.weight.rows(0..<63) }
    #expect(throws: ExportError.self) {
      try Exporter.export(broken, parent: parent, record: nil, to: url, options: options)
    }
    #expect(try LanguageModel(url).fingerprint() == first)
    try Exporter.export(
      parent, parent: parent, record: ["schema": "nas-search.export", "is": "second"], to: url, options: options)
    #expect(try LanguageModel(url).fingerprint() != first)
    #expect(folder.content == ["out"])
  }

  @Test(arguments: ExportFormat.allCases) func impossiblePlaces(_ format: ExportFormat) throws {
    let folder = try TemporaryFolder()
    let parent = try parent()
    let file = folder.url.appendingPathComponent("file")
    try Data("x".utf8).write(to: file)
    let inside = file.appendingPathComponent("out")
    #expect(throws: CheckpointError.unwritable(path: inside.path, reason: "Not a directory")) {
      try Exporter.export(parent, parent: parent, record: nil, to: inside, options: ExportOptions(format: format))
    }
    // A folder in the place of a file, and the reverse.
    let other = format == .gguf ? folder.url : file
    #expect(throws: CheckpointError.self) {
      try Exporter.export(
        parent, parent: parent, record: nil, to: other, options: ExportOptions(format: format, replacing: true))
    }
    #expect(folder.content == ["file"])
    #expect(throws: CheckpointError.self) {
      try Exporter.export(
        parent, parent: parent, record: nil, to: URL(fileURLWithPath: "/proc/none/out"),
        options: ExportOptions(format: format))
    }
  }
}

/// Counts calls from anywhere.
private final class Counter: Sendable {
  private let value = Mutex(0)

  func next() -> Int {
    value.withLock {
      $0 += 1
      return $0
    }
  }
}
