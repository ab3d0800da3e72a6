import LanguageModels
import Reformation
import Subnets
import Testing

@testable import Methods
@testable import Workbench

@Suite struct RoundsTests {
  @Test func sizesOnTheWayEndWithThatOfTheResult() {
    #expect(Workbench.sizes(to: 500_000, of: 1_000_000, rounds: 1) == [])
    #expect(Workbench.sizes(to: 500_000, of: 1_000_000, rounds: 2) == [500_000])
    #expect(Workbench.sizes(to: 640_000, of: 1_000_000, rounds: 3) == [800_000, 640_000])
  }

  private func weights(_ pruned: PrunedModel) throws -> [Float] {
    try (0..<pruned.network.configuration.layerCount).flatMap { index in
      let layer = try pruned.network.layer(index)
      return LayerPart.projections.flatMap { layer[$0].weight.elements }
    }
  }

  /// One round is what there is without rounds; two are another subnet of the same size, the same each time, from the
  /// cache and without it.
  @Test(arguments: ["ours-fast", "ours"], ["llama3-gqa", "gemma2-caps"])
  func roundsMeetTheBudgetAndAreReproducible(method: String, fixture: String) throws {
    let tiny = try TinyBench(fixture)
    let (plain, one) = (try tiny.prune(method, keep: 0.7), try tiny.prune(method, keep: 0.7, seed: 0, "rounds=1"))
    #expect(try weights(plain) == weights(one))
    let two = try tiny.prune(method, keep: 0.7, seed: 0, "rounds=2")
    let budget = Int(0.7 * Double(tiny.configuration.blockParameters))
    #expect(two.network.configuration.blockParameters <= budget)
    #expect(two.network.configuration.blockParameters > budget * 9 / 10)
    #expect(try weights(two) != weights(one))
    #expect(try weights(two) == weights(tiny.prune(method, keep: 0.7, seed: 0, "rounds=2")))
    #expect(try weights(two) == weights(TinyBench(fixture).prune(method, keep: 0.7, seed: 0, "rounds=2")))
  }

  /// If none are given there are two rounds where they were found to pay, and one elsewhere.
  @Test func roundsThatPayAreTheDefault() throws {
    let tiny = try TinyBench()
    func same(_ keep: Double, _ repair: String, as rounds: Int, _ method: String = "ours-fast") throws -> Bool {
      let chosen = try weights(tiny.prune(method, keep: keep, seed: 0, "repair=\(repair)"))
      return try chosen
        == weights(tiny.prune(method, keep: keep, seed: 0, "repair=\(repair)", "rounds=\(rounds)"))
    }
    #expect(try same(0.5, "sequential", as: 2, "ours") && !same(0.5, "sequential", as: 1, "ours"))
    #expect(throws: Never.self) { try tiny.prune("ours", keep: 0.55, seed: 0, "space=uniform") }
    #expect(try same(0.5, "sequential", as: 2) && !same(0.5, "sequential", as: 1))
    #expect(try same(0.7, "sequential", as: 1) && !same(0.7, "sequential", as: 2))
    #expect(try same(0.5, "nested", as: 1))
    let experts = try TinyBench("qwen3moe-six")
    #expect(throws: Never.self) { try experts.prune("ours-fast", keep: 0.55, seed: 0, "repair=sequential") }
  }

  /// Units that a round removed can come back. Candidates are ranked by what is known of the subnet on the way, and judged
  /// with weights solved from what is known of the dense model: their prefix is not repaired like that subnet's.
  @Test func candidatesAreJudgedWithWeightsOfTheDenseStatistics() throws {
    let tiny = try TinyBench()
    let bench = try tiny.bench()
    let bound = try BoundSpace(
      .widths(scores: ["obs-loss"]), to: tiny.configuration, calibrationSets: bench.sets.map(\.name))
    var plan = SearchPlan()
    (plan.rounds, plan.gradientWindows) = (2, 4)
    let budget = Int(0.5 * Double(tiny.configuration.blockParameters))
    let (dense, prefix) = (try bench.evaluator(bound, plan), try bench.evaluator(bound, plan, budget: budget))
    #expect(try prefix.statistics[0].layer(1).hiddenLacking != nil)
    #expect(try dense.statistics[0].layer(1).hiddenLacking == nil)
    // The reference keeps fewer units than the statistics have.
    let shape = tiny.configuration.layers[1]
    #expect(try prefix.statistics[0].layer(1).hiddenGram.rows == shape.mlpChannels)
    var curves = ChoiceCurves(prefix, metric: .loss)
    try curves.complete()
    let genes = prefix.genes(try #require(curves.solution(budget: budget)))
    let judged = try prefix.compare([genes]).comparisons[0].divergence
    let other = try bench.divergence(of: bench.subnet(keeping: prefix.units(genes), repair: .nested))
    #expect(abs(judged - other) < 1e-6 * other)
  }

  @Test func expertsAreNotRemovedInRounds() throws {
    #expect(throws: ReformationError.expertsHaveNoPrefix) {
      try TinyBench("qwen3moe-six").prune("ours-fast", keep: 0.8, seed: 0, "rounds=2")
    }
    #expect(throws: ReformationError.roundsNeedCurves) {
      try TinyBench().prune("ours", keep: 0.8, seed: 0, "rounds=2", "space=uniform")
    }
  }
}
