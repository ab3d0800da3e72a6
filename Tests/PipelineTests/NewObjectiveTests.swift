import Evaluation
import Foundation
import LanguageModels
import Search
import Subnets
import Testing

@testable import Pipeline

/// Layers that have an attention.
struct AttentionLayers: Objective {
  let name = "attention_layers"
  let title = "attention layers"
  let summary = "The number of layers that have an attention, and so a cache of keys and values."
  let style = NumberStyle.count
  let needs = ObjectiveNeed.widths

  func value(of subnet: EvaluatedSubnet) -> Double? {
    Double(subnet.configuration.layers.count { $0.kvHeads > 0 })
  }
}

/// `docs/adding-an-objective.md` shows how an objective is added; its example is the one above.
@Suite struct NewObjectiveTests {
  private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  private static let known: [any Objective] = ObjectiveRegistry.all + [AttentionLayers()]

  @Test func theExampleOfTheDocumentationIsThisOne() throws {
    let page = Self.tests.deletingLastPathComponent().appendingPathComponent("docs/adding-an-objective.md")
    let parts = try String(contentsOf: page, encoding: .utf8).components(separatedBy: "```")
    let example = try #require(parts.first { $0.hasPrefix("swift\n") }).dropFirst(6)
    #expect(try String(contentsOf: URL(fileURLWithPath: #filePath), encoding: .utf8).contains(example))
  }

  /// With the type and its line in the list, measurements have its value and a front follows it.
  @Test func theExampleMakesAFront() throws {
    let model = try LanguageModel(Self.tests.appendingPathComponent("Fixtures/models/llama3-gqa"))
    let dense = model.configuration
    let list = try ObjectiveList(["kl", "attention_layers"], known: Self.known)
    #expect(list.all[1].description.isSize && list.directions == [.minimize, .minimize])
    /// A subnet whose first layers keep their attention.
    func measured(attentions: Int, channels: Int, divergence: Double) -> SubnetMeasurement {
      let layers = dense.layers.enumerated().map { index, shape in
        LayerWidths(groups: index < attentions ? shape.kvHeads : 0, channels: channels).shape(of: shape)
      }
      return SubnetMeasurement(
        EvaluatedSubnet(
          dense.with(layers: layers), of: dense,
          quality: Quality(divergence: divergence, loss: 1, topOneAgreement: 0.5)),
        objectives: Self.known)
    }
    let all = dense.layerCount
    let results = [
      measured(attentions: all, channels: 60, divergence: 0.1), measured(attentions: all, channels: 8, divergence: 0.3),
      measured(attentions: 1, channels: 60, divergence: 0.5),
    ]
    #expect(results.map { $0.values["attention_layers"] } == [Double(all), Double(all), 1])
    #expect(ParetoFront.nonDominated(results.map(list.minimized)) == [0, 2])
    // By the size, the second is no worse than the others.
    let sizes = try ObjectiveList(["kl", "params"], known: Self.known)
    #expect(ParetoFront.nonDominated(results.map(sizes.minimized)).contains(1))
  }
}
