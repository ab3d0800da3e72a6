import Foundation
import Importance
import Testing
import Workbench

@testable import LanguageModels
@testable import Methods

/// FLAP's score, the same share of every layer, least squares.
struct UniformFLAP: PruningMethod {
  let name = "uniform-flap"
  let summary = "fluctuation; uniform; least-squares repair"
  let source = "an example"
  let gradients: Set<BackwardPass.Scalar> = []

  struct Settings: MethodSettings {
    var step = 1

    static var fields: [SettingField<Self>] {
      [.number("step", \.step, 1...4096, "channels that an MLP loses at a time")]
    }
  }

  func prune(_ bench: Workbench, budget: Int, _ settings: Settings) throws -> PrunedModel {
    let scores = try bench.scores(FLAP(), try bench.statistics())
    guard let widths = UniformAllocation(bench.configuration, step: settings.step).widths(budget: budget) else {
      throw MethodError.impossible(name, bench, budget: budget)
    }
    let units = bench.units(widths, scores)
    return PrunedModel(
      units: units, network: try bench.subnet(keeping: units, repair: .nested), repair: .nested)
  }
}

/// `docs/adding-a-method.md` shows how to add a method. Its example is the one above.
@Suite struct NewMethodTests {
  @Test func theExampleOfTheDocumentationIsThisOne() throws {
    let here = URL(fileURLWithPath: #filePath)
    let page = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("docs/adding-a-method.md")
    let parts = try String(contentsOf: page, encoding: .utf8).components(separatedBy: "```")
    let example = try #require(parts.first { $0.hasPrefix("swift\n") }).dropFirst(6)
    #expect(try String(contentsOf: here, encoding: .utf8).contains(example))
  }

  @Test func theExampleWorks() throws {
    let tiny = try TinyBench()
    let (method, bench) = (UniformFLAP(), try tiny.bench())
    let budget = tiny.configuration.blockParameters * 7 / 10
    let pruned = try method.prune(bench, budget: budget, SettingValues(of: method, ["step=8"]))
    let shapes = pruned.network.configuration.layers
    #expect(pruned.network.configuration.blockParameters <= budget)
    #expect(Set(shapes).count == 1 && shapes[0].mlpChannels % 8 == 0)
    #expect(try bench.divergence(of: pruned.network) > 0)
    #expect(throws: MethodError.self) { try SettingValues(of: method, ["step=0"]) }
    #expect(throws: MethodError.self) { try method.prune(bench, budget: 1, SettingValues(of: method)) }
  }
}
