import Checkpoints
import Foundation
import LanguageModels
import Testing

@testable import Exports

/// Every kind of rope scaling comes back from both formats with the same angles, at short and at long positions.
@Suite struct RopeExportTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static let scalings: [(name: String, scaling: RotaryConfiguration.Scaling)] = [
    ("yarn", .yarn(YarnScaling(factor: 4, originalContext: 16))),
    ("yarn, attention factor", .yarn(YarnScaling(factor: 4, originalContext: 16, attentionFactor: 1.4))),
    ("yarn, betas", .yarn(YarnScaling(factor: 4, originalContext: 16, betaFast: 4, betaSlow: 0.5))),
    ("yarn, not rounded", .yarn(YarnScaling(factor: 4, originalContext: 64, truncates: false))),
    ("dynamic", .dynamic(factor: 4, context: 256)),
    (
      "longrope",
      .longrope(
        LongRopeScaling(
          short: [1, 1.25, 1.5, 2], long: [1, 2.5, 6, 9], originalContext: 32, extension: 8))
    ),
    ("divisors of no scaling", .factors([1, 2, 1, 5])),
    ("divisors, attention factor", .divided(by: [1, 2, 1, 5], attentionFactor: 1.2)),
    ("linear", .linear(factor: 3)),
  ]

  @Test(arguments: scalings.map(\.name), ExportFormat.allCases)
  func anglesComeBack(name: String, format: ExportFormat) throws {
    let parent = try Fixtures.parent("llama3-gqa")
    var network = EditedNetwork(parent)
    network.configuration.rotary.scaling = try #require(Self.scalings.first { $0.name == name }?.scaling)
    let url = folder.url.appendingPathComponent(format == .gguf ? "out.gguf" : "out")
    try Exporter.export(
      network, parent: parent, record: Fixtures.record, to: url, options: ExportOptions(format: format, type: .f32))
    let found = try LanguageModel(url).configuration
    let expected = network.configuration
    #expect(abs(found.rotary.attentionFactor - expected.rotary.attentionFactor) <= 1e-6)
    for length in [1, 64, 256] {
      let pairs = zip(
        found.rotary.frequencies(headDimension: 8, length: length),
        expected.rotary.frequencies(headDimension: 8, length: length))
      for (x, y) in pairs { #expect(abs(x - y) <= 1e-6 * y, "\(length): \(x), \(y)") }
    }
  }
}
