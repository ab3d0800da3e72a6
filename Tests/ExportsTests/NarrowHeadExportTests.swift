import Checkpoints
import Foundation
import LanguageModels
import LinearAlgebra
import Testing

@testable import Exports

/// Heads with some of the rotary pairs go into stock containers, with the frequencies of the pairs that stay.
@Suite struct NarrowHeadExportTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private static let scalings: [(name: String, scaling: RotaryConfiguration.Scaling)] =
    RopeExportTests.scalings.filter { $0.name != "dynamic" } + [("none", .none)]

  /// The network with pairs of `pairs` and as many dimensions of the values.
  private func narrowed(_ parent: LanguageModel, _ configuration: ModelConfiguration, _ pairs: [Int])
    -> EditedNetwork<LanguageModel>
  {
    var network = EditedNetwork(parent)
    network.configuration = configuration.keepingPairs(pairs)
    let places = pairs + pairs.map { $0 + 4 }
    network.edit = { _, layer in
      func order(_ count: Int) -> [Int] { (0..<count / 8).flatMap { head in places.map { head * 8 + $0 } } }
      for part in [LayerPart.query, .key, .value] {
        let linear = layer[part]
        let order = order(linear.outputs)
        layer[part] = Linear(
          weight: linear.weight.gatherRows(order), bias: linear.bias.map { bias in order.map { bias[$0] } })
      }
      layer[.output].weight = layer[.output].weight.gatherColumns(order(layer[.output].inputs))
    }
    return network
  }

  @Test(arguments: scalings.map(\.name), ExportFormat.allCases)
  func keptPairsTurnAsBefore(name: String, format: ExportFormat) throws {
    let parent = try Fixtures.parent("llama3-gqa")
    var whole = parent.configuration
    whole.rotary.scaling = try #require(Self.scalings.first { $0.name == name }?.scaling)
    #expect(whole.narrowHeadsObjection == nil)
    let pairs = [0, 2, 3]
    let network = narrowed(parent, whole, pairs)
    let url = folder.url.appendingPathComponent(format == .gguf ? "out.gguf" : "out")
    let result = try Exporter.export(
      network, parent: parent, record: Fixtures.record, to: url, options: ExportOptions(format: format, type: .f32))
    #expect(!result.needsRemoteCode)
    let found = try LanguageModel(url).configuration
    #expect(found.headDimension == 6)
    #expect(abs(found.rotary.attentionFactor - whole.rotary.attentionFactor) <= 1e-6)
    for length in [1, 64, 256] {
      let (narrow, before) = (
        found.rotary.frequencies(headDimension: 6, length: length),
        whole.rotary.frequencies(headDimension: 8, length: length)
      )
      for (frequency, pair) in zip(narrow, pairs) {
        #expect(abs(frequency - before[pair]) <= 1e-6 * before[pair], "\(length): \(frequency), \(before[pair])")
      }
    }
  }

  /// Biases of queries and values, and heads that fill less than the hidden size.
  @Test(arguments: ["qwen2-bias", "mistral-gqa", "llama-mha"], ExportFormat.allCases)
  func everyContainerHasTheSameLogits(name: String, format: ExportFormat) throws {
    let parent = try Fixtures.parent(name)
    let network = narrowed(parent, parent.configuration, [1, 3])
    let url = folder.url.appendingPathComponent(format == .gguf ? "out.gguf" : "out")
    let result = try Exporter.export(
      network, parent: parent, record: Fixtures.record, to: url, options: ExportOptions(format: format, type: .f32))
    #expect(!result.needsRemoteCode)
    let found = try LanguageModel(url)
    let tokens: [Int32] = (0..<60).map { Int32(($0 * 37 + 5) % 300) }
    #expect(try largestDifference(logits(found, tokens), logits(network, tokens)) < 1e-4)
  }

  /// Pairs of all speeds are there, whatever is taken: nothing is guessed from the new head dimension.
  @Test func divisorsAreThoseOfTheNewBase() throws {
    let rotary = RotaryConfiguration(theta: 10_000)
    let whole = rotary.frequencies(headDimension: 64)
    var configuration = try Fixtures.parent("mistral-gqa").configuration
    (configuration.headDimension, configuration.rotary) = (64, rotary)
    let pairs = [0, 1, 5, 9, 17, 30]
    let narrow = configuration.keepingPairs(pairs)
    guard case .factors(let divisors) = narrow.rotary.scaling else {
      Issue.record("\(narrow.rotary.scaling)")
      return
    }
    for (i, (divisor, pair)) in zip(divisors, pairs).enumerated() {
      let base = pow(10_000, -Double(2 * i) / 12)
      #expect(abs(Double(divisor) - base / Double(whole[pair])) < 1e-6 * base / Double(whole[pair]))
    }
    #expect(configuration.keepingPairs(Array(0..<32)).rotary == rotary)
  }
}
