import Reformation
import Subnets
import Testing

@testable import LanguageModels
@testable import Methods
@testable import Workbench

/// Widths that are allocated with what the errors of modules have together.
@Suite struct CorrelatedAllocationTests {
  private func evaluator(
    _ tiny: TinyBench, _ change: (inout SearchPlan) -> Void
  ) throws -> CandidateEvaluator {
    var plan = SearchPlan()
    plan.gradientWindows = 8
    change(&plan)
    let space = SearchSpace.widths(scores: ["obs-loss", "flap"])
    return try tiny.bench().evaluator(
      BoundSpace(space, to: tiny.configuration, calibrationSets: ["a"]), plan)
  }

  @Test(arguments: ["llama3-gqa", "qwen3moe-six", "gemma2-caps"]) func isFoundWhereItIsAskedFor(model: String) throws {
    let tiny = try TinyBench(model)
    let correlation = try #require(try evaluator(tiny) { $0.allocation = .quadratic }.correlation)
    #expect(correlation.strength >= 0 && correlation.strength <= 1 && correlation.reach >= 0.5)
    #expect(try evaluator(tiny) { $0.allocation = .quadratic }.correlation == correlation)
    #expect(try evaluator(tiny) { $0.allocation = .curves }.correlation == nil)
    // The other metrics have no gradients.
    #expect(
      try evaluator(tiny) { ($0.allocation, $0.curveMetric) = (.quadratic, .residualStream) }.correlation == nil)
  }

  /// By the model that allocates, no other widths of the same size promise less: not those of the curves alone.
  @Test func promisesNoMoreThanTheCurvesAlone() throws {
    let tiny = try TinyBench()
    var evaluator = try evaluator(tiny) { $0.allocation = .curves }
    for correlation in [ErrorCorrelation(strength: 0.02, reach: 5), .init(strength: 0.5, reach: 1)] {
      evaluator.correlation = nil
      var plain = ChoiceCurves(evaluator, metric: .loss)
      try plain.complete()
      evaluator.correlation = correlation
      var correlated = ChoiceCurves(evaluator, metric: .loss)
      try correlated.complete()
      for keep in [0.9, 0.75, 0.6] {
        let budget = Int(keep * Double(tiny.configuration.blockParameters))
        let alone = try #require(plain.solution(of: plain.main, budget: budget))
        let together = try #require(correlated.solution(of: plain.main, budget: budget))
        let genes = BoundSpace.Genes(
          widths: alone.widths, score: alone.choice.score, calibration: alone.choice.calibration)
        let promised = try #require(correlated.predict(genes))
        // If one module alone is cut, it has nothing together with others.
        let cut = zip(alone.widths, tiny.configuration.layers).reduce(0) {
          $0 + ($1.0.groups < $1.1.kvHeads ? 1 : 0) + ($1.0.channels < $1.1.mlpChannels ? 1 : 0)
        }
        #expect((promised > alone.predictedError) == (cut > 1))
        #expect(together.predictedError <= promised + 1e-12)
        #expect(tiny.configuration.cost(together.widths) <= budget)
      }
    }
  }

  @Test func methodsTakeTheSetting() throws {
    let tiny = try TinyBench()
    let predicted = try ["curves", "quadratic"].map { allocation in
      let pruned = try tiny.prune("ours-fast", keep: 0.7, "allocation=\(allocation)")
      let parameters = pruned.network.configuration.blockParameters
      #expect(Double(parameters) <= 0.7 * Double(tiny.configuration.blockParameters))
      return try #require(pruned.decisions["predicted error"].flatMap(Double.init))
    }
    // What errors have together comes on top; here it may be nothing.
    #expect(predicted[1] >= predicted[0])
    #expect(throws: (any Error).self) { try tiny.prune("ours-fast", keep: 0.7, "allocation=cubic") }
  }
}
