import Evaluation
import Foundation
import LinearAlgebra
import Runtime
import Subnets
import TestSupport
import Testing

@testable import Calibration
@testable import LanguageModels
@testable import Pipeline
@testable import Reformation
@testable import Workbench

/// What a search does before its first candidate, on a tiny model with two calibration sets.
@Suite struct SearchPreparationTests {
  private let model: LanguageModel
  private let calibration: CalibrationFile
  private let bound: BoundSpace
  private let settings: SearchSettings
  private let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("nas-search-tests-\(UUID().uuidString)")

  init() throws {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let path = tests.appendingPathComponent("Fixtures/models/llama3-gqa")
    model = try LanguageModel(path)
    let vocabulary = UInt64(model.configuration.vocabularySize)
    var random = SeededGenerator(seed: 3)
    func windows(_ count: Int) -> TokenWindows {
      TokenWindows(length: 24, tokens: (0..<count * 24).map { _ in Int32(random.next() % vocabulary) })
    }
    calibration = CalibrationFile(
      model: "tiny",
      sets: ["a", "b"].map { name in
        CalibrationFile.StoredSet(
          name: name, source: name, sha256: nil,
          windows: CalibrationSet(name: name, calibration: windows(30), fitness: windows(5)), seed: 0)
      })
    let text = try SpaceLibrary.text("widths")
    let space = try SpaceLibrary.parse(text, file: "widths")
    bound = try BoundSpace(space, to: model.configuration, calibrationSets: ["a", "b"])
    var settings = SearchSettings(model: path.path)
    settings.spaceText = text
    settings.plan.calibration = ["a", "b"].map { CalibrationSource($0, field: "text") }
    settings.plan.calibrationWindows = 30
    settings.plan.calibrationLength = 24
    settings.plan.fitnessWindows = 10
    settings.plan.fitnessLength = 24
    settings.plan.gradientWindows = 6
    settings.damping = 0.01
    settings.population = 4
    self.settings = settings
  }

  private func bench(_ cache: String) -> Workbench {
    Workbench(
      model: model, fingerprint: "tiny", sets: calibration.sets.map(\.windows), heldOut: calibration.fitness,
      damping: 0.01, cache: folder.appendingPathComponent(cache))
  }

  private func statistics(_ cache: String, gradients: Bool) throws -> [any Statistics] {
    try bench(cache).statistics(
      for: bound, gradients: gradients ? ErrorCurves.Metric.loss.gradients : [], windows: settings.plan.gradientWindows)
  }

  private func evaluator() throws -> CandidateEvaluator {
    let plan = settings.searchPlan(.single)
    return try bench("cache").evaluator(bound, plan)
  }

  /// Whether gradients begin with what the pass for the statistics left, or run the windows themselves, is the same, for each set
  /// and for the mixture.
  @Test func gradientsDoNotDependOnTheCache() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let cold = try statistics("cold", gradients: true)
    _ = try statistics("warm", gradients: false)
    let warm = try statistics("warm", gradients: true)
    #expect(cold.map(\.name) == ["a", "b", "mix"] && warm.map(\.name) == cold.map(\.name))
    var seen: [[Float]] = []
    for (one, other) in zip(cold, warm) {
      for index in 0..<model.configuration.layerCount {
        let mine = try #require(one.saliencies(of: .sampledLoss, layer: index)?.outputMoments)
        let theirs = try #require(other.saliencies(of: .sampledLoss, layer: index)?.outputMoments)
        #expect(mine.mlp.elements == theirs.mlp.elements && mine.attention.elements == theirs.attention.elements)
        #expect(!seen.contains(mine.mlp.elements))
        seen.append(mine.mlp.elements)
      }
    }
  }

  /// The winner of a race on the first windows is measured as if it had seen all windows at once.
  @Test func theBestOfAGroupIsMeasuredOnAllWindows() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let evaluator = try evaluator()
    func genes(_ groups: Int, _ channels: Int) -> BoundSpace.Genes {
      BoundSpace.Genes(
        widths: model.configuration.layers.map { _ in LayerWidths(groups: groups, channels: channels) },
        score: "wanda-sp", calibration: "a")
    }
    let groups = [[genes(2, 20), genes(1, 60)], [], [genes(1, 8), genes(2, 48), genes(1, 30)], [genes(2, 10)]]
    for weights in [CandidateEvaluator.Weights.inherited, .repaired] {
      let log = ProgressLog()
      let found = try evaluator.best(ofEach: groups, weights, log.monitor.during(.init(.baselines)))
      let shares = log.steps.filter { $0.total == 1000 }.map { Double($0.done) / 1000 }
      #expect(found.count == groups.count && found[1] == nil)
      #expect(shares == shares.sorted() && shares.last.map { $0 > 0.9 && $0 <= 1 } == true)
      for (group, best) in zip(groups, found) where !group.isEmpty {
        let alone = try evaluator.compare(group, weights).comparisons
        let early = try evaluator.compare(group, windows: 0..<3, weights).comparisons
        let first = try #require(early.indices.min { early[$0].divergence < early[$1].divergence })
        #expect(best?.genes == group[first])
        let measured = try #require(best?.comparison)
        #expect(abs(measured.divergence - alone[first].divergence) < 1e-6)
        #expect(abs(measured.perplexity.value / alone[first].perplexity.value - 1) < 1e-6)
      }
    }
  }

  /// The size that a search aims at takes the place of the nearest one, and a candidate begins there.
  @Test func theFirstCandidatesAimAtASize() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let dense = model.configuration.blockParameters
    var aiming = settings
    aiming.aim = 0.8
    let budgeted = try SearchGround.budgeted(bound, aiming, model)
    let even = CandidateSearch.sizes(budgeted)
    let aimed = CandidateSearch.sizes(budgeted, aim: aiming.aim.map { Int($0 * Double(dense)) })
    let wanted = Int(0.8 * Double(dense))
    let moved = aimed.indices.filter { aimed[$0] != even[$0] }
    #expect(moved.count == 1 && aimed.count == even.count && aimed == aimed.sorted(by: >))
    #expect(aimed[moved[0]] == wanted && even.allSatisfy { abs($0 - wanted) >= abs(even[moved[0]] - wanted) })
    let evaluator = try evaluator()
    let seeds = try FirstPopulation.make(
      evaluator, ChoiceCurves(evaluator, metric: .loss), budgets: aimed, limit: aimed.count, evaluations: nil
    ).seeds
    let costs = seeds.map { bound.cost.cost($0.genome) }
    #expect(costs.contains { $0 <= wanted && $0 > aimed[moved[0] + 1] })
    aiming.aim = 0.3
    #expect(throws: PipelineError.self) { try SearchGround.budgeted(bound, aiming, model) }
  }

  /// A search that ends among the seeds of the most promising choice has the same seeds as a longer one, and no curves of others.
  @Test func aShortSearchMakesOneChoicesCurves() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let evaluator = try evaluator()
    let budgeted = try SearchGround.budgeted(bound, settings, model)
    let budgets = CandidateSearch.sizes(budgeted)
    func population(_ evaluations: Int?, limit: Int = 100) throws -> (population: FirstPopulation, layers: Int) {
      let log = ProgressLog()
      let population = try FirstPopulation.make(
        evaluator, ChoiceCurves(evaluator, metric: .loss), budgets: budgets, limit: limit, evaluations: evaluations,
        log.monitor)
      let all = log.steps
      #expect(zip(all, all.dropFirst()).allSatisfy { $0.done <= $1.done } && all.allSatisfy { $0.done <= $0.total })
      return (population, all.last?.total ?? 0)
    }
    let (long, all) = try population(nil)
    let (short, some) = try population(4)
    // On a few layers all scores compete, and these are all that the model has.
    let (scores, layers) = (bound.space.allScores.count, model.configuration.layerCount)
    #expect(scores > 1 && layers <= ChoiceCurves.contestLayers)
    #expect(some == scores * layers && all == 3 * some)
    #expect(short.seeds.count >= 4 && short.seeds.count < long.seeds.count)
    for (one, other) in zip(short.seeds, long.seeds) {
      #expect(one.genome == other.genome && one.origin == other.origin)
    }
    let main = bound.genes(short.seeds[0].genome)
    #expect(main.calibration == BoundSpace.mix && short.predict(main) == long.predict(main))
    for score in bound.space.allScores {
      for calibration in bound.calibrations {
        let genes = BoundSpace.Genes(widths: main.widths, score: score, calibration: calibration)
        #expect(long.predict(genes) != nil && (short.predict(genes) != nil) == (calibration == main.calibration))
      }
    }
    // One candidate more than there are seeds of one choice, or than a population has.
    #expect(try population(short.seeds.count + 1).population.seeds.count == long.seeds.count)
    #expect(try population(4, limit: 3).layers == all)
  }

  /// The choice that promises least on the contest's layers is the main one; of all layers, where as many compete.
  @Test(arguments: [1, 2, 6]) func theMainChoicePromisesLeast(contestLayers: Int) throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let evaluator = try evaluator()
    let (configuration, budget) = (model.configuration, model.configuration.blockParameters * 3 / 5)
    let log = ProgressLog()
    var curves = ChoiceCurves(evaluator, metric: .loss)
    try curves.findMain(budget: budget, contestLayers: contestLayers, log.monitor)
    let contenders = bound.space.allScores.map { ChoiceCurves.Choice(score: $0, calibration: BoundSpace.mix) }
    let (layers, contest) = (configuration.layerCount, min(contestLayers, configuration.layerCount))
    #expect(log.steps.last?.total == contenders.count * contest + layers - contest)
    #expect(contenders.filter { curves[$0] != nil } == (contest == layers ? contenders : [curves.main]))
    try curves.complete()
    // Layers are alike, so that each gets the same share of the budget.
    let compete = (0..<contest).map { (2 * $0 + 1) * layers / (2 * contest) }
    let errors = try contenders.map { choice in
      let all = try #require(curves[choice])
      let some = compete.flatMap { all[2 * $0...2 * $0 + 1] }
      let levels = try #require(
        WidthAllocation.allocate(
          some, budget: budget * contest / layers - contest * configuration.fixedParametersPerLayer))
      return zip(some, levels).reduce(0) { $0 + $1.0.errors[$1.1] }
    }
    #expect(Set(errors).count == errors.count)
    #expect(contenders[try #require(errors.indices.min { errors[$0] < errors[$1] })] == curves.main)
    let ranked = curves.ranked(budget: 0)
    #expect(ranked.first == curves.main && ranked.count == 3 * contenders.count)
    #expect(ranked.prefix(contenders.count).allSatisfy { $0.calibration == BoundSpace.mix })
  }
}
