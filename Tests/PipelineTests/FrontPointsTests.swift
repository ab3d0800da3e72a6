import Evaluation
import Search
import Subnets
import Testing

@testable import Pipeline

/// Best point, knee and convergence follow the objectives of the study.
@Suite struct FrontPointsTests {
  private func points(_ values: [[String: Double]]) -> [FrontPoint] {
    values.enumerated().map { index, values in
      let parameters = Int(values["params"] ?? 0)
      return FrontPoint(
        index: index, trial: index,
        measurement: SubnetMeasurement(
          keepRatio: Double(parameters) / 100, parametersTotal: parameters + 10, parametersBlock: parameters,
          values: values),
        score: "s", calibration: "c", widths: [])
    }
  }

  /// The divergence is least where the perplexity is not, and the other way round.
  private var opposed: [FrontPoint] {
    points([
      ["kl": 0.1, "perplexity": 9, "top1_agreement": 0.9, "params": 90],
      ["kl": 0.2, "perplexity": 8, "top1_agreement": 0.5, "params": 80],
      ["kl": 0.3, "perplexity": 5, "top1_agreement": 0.6, "params": 70],
      ["kl": 0.4, "perplexity": 6, "top1_agreement": 0.7, "params": 60],
    ])
  }

  @Test(arguments: [
    (["kl", "params"], 1), (["perplexity", "params"], 2), (["top1_agreement", "params"], 3), (["params", "kl"], 3),
  ])
  func theBestIsThatOfTheFirstObjective(names: [String], expected: Int) throws {
    #expect(FrontPoints.best(opposed, try ObjectiveList(names), within: 80) == expected)
  }

  @Test func theSizeBoundsTheBest() throws {
    let list = try ObjectiveList(["kl", "params"])
    #expect(FrontPoints.best(opposed, list, within: 100) == 0)
    #expect(FrontPoints.best(opposed, list, within: 65) == 3)
    // Nothing is small enough: the smallest.
    #expect(FrontPoints.best(opposed, list, within: 10) == 3)
    #expect(FrontPoints.best([], list, within: 10) == nil)
  }

  @Test func theKneeBendsInTheObjectives() throws {
    let bent = points([
      ["kl": 0.1, "perplexity": 5, "params": 90], ["kl": 0.11, "perplexity": 8, "params": 60],
      ["kl": 0.6, "perplexity": 8.1, "params": 40], ["kl": 0.9, "perplexity": 9, "params": 38],
    ])
    #expect(try FrontPoints.knee(bent, ObjectiveList(["kl", "params"])) == 1)
    #expect(try FrontPoints.knee(bent, ObjectiveList(["perplexity", "params"])) == 2)
  }
}
