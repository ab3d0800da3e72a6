import Foundation
import Search
import Testing

@testable import Evaluation

@Suite struct ObjectiveTests {
  private func measurement(_ values: [String: Double]) -> SubnetMeasurement {
    SubnetMeasurement(keepRatio: 0.5, parametersTotal: 10, parametersBlock: 5, values: values)
  }

  @Test func anUnknownNameListsTheKnownOnes() {
    #expect(throws: ObjectiveError.unknown(name: "loss", known: ObjectiveRegistry.all.map(\.name))) {
      try ObjectiveList(["kl", "loss"])
    }
    let text = "\(ObjectiveError.unknown(name: "loss", known: ["kl", "params"]))"
    #expect(text == "unknown objective 'loss' (known: kl, params)")
    #expect(throws: ObjectiveError.repeated(name: "kl")) { try ObjectiveList(["kl", "kl"]) }
    #expect(throws: ObjectiveError.count(0)) { try ObjectiveList([]) }
    #expect(throws: ObjectiveError.count(4)) { try ObjectiveList(["kl", "perplexity", "params", "bytes"]) }
    #expect(throws: ObjectiveError.onlySizes(["params", "bytes"])) { try ObjectiveList(["params", "bytes"]) }
  }

  @Test func namesAreUnique() {
    #expect(Set(ObjectiveRegistry.all.map(\.name)).count == ObjectiveRegistry.all.count)
  }

  /// Optimisers minimise; what is to be maximised changes its sign for them and only for them.
  @Test func whatIsMaximisedIsTurnedAround() throws {
    let list = try ObjectiveList(["top1_agreement", "params"])
    let measured = measurement(["top1_agreement": 0.8, "params": 5])
    #expect(list.directions == [.maximize, .minimize])
    #expect(list.values(measured) == [0.8, 5] && list.minimized(measured) == [-0.8, 5])
    #expect(list.values(measurement(["params": 5]))[0].isNaN)
  }

  @Test func shortfallsRunFromTheBestToTheCorner() {
    #expect(KLDivergence().shortfall(0, dense: 0) == 0 && KLDivergence().shortfall(2, dense: 0) == 1)
    #expect(TokenPerplexity().shortfall(20, dense: 20) == 0 && TokenPerplexity().shortfall(10, dense: 20) == 0)
    #expect(abs(TokenPerplexity().shortfall(20 * 7.389_056_098_930_65, dense: 20) - 1) < 1e-12)
    #expect(TopOne().shortfall(1, dense: 1) == 0 && TopOne().shortfall(0.25, dense: 1) == 0.75)
    #expect(BlockParameters().shortfall(30, dense: 40) == 0.75)
  }

  /// Infinities are no JSON; a measurement is stored without them.
  @Test func aMeasurementIsStored() throws {
    var measured = measurement(["kl": 0.25, "perplexity": .infinity])
    let encoded = try JSONEncoder().encode(measured)
    measured.values["perplexity"] = nil
    #expect(try JSONDecoder().decode(SubnetMeasurement.self, from: encoded) == measured)
    #expect(measured[.kl] == 0.25 && measured[.perplexity] == nil)
  }
}
