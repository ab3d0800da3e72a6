import Foundation
import LinearAlgebra
import Reports
import Subnets
import Testing

@testable import Calibration
@testable import LanguageModels
@testable import Pipeline

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
    let (space, text) = try SpaceLibrary.load("widths")
    bound = try BoundSpace(space, to: model.configuration, calibrationSets: ["a", "b"])
    settings = SearchSettings(
      model: path.path, space: "widths", spaceText: text, target: nil, objectives: ["kl", "params"],
      plan: CalibrationPlan(
        calibration: ["a", "b"], field: "text", calibrationWindows: 30, calibrationLength: 24, fitnessWindows: 10,
        fitnessLength: 24, gradientWindows: 6, seed: 0),
      damping: 0.01, repair: "ls", curves: "loss", population: 4)
  }

  private func statistics(_ cache: String, gradients: Bool) throws -> [any Statistics] {
    var plain = bound.space
    plain.scores = ["wanda-sp"]
    return try SearchSession.statistics(
      model, "tiny", calibration, folder.appendingPathComponent(cache),
      gradients ? bound : BoundSpace(plain, to: model.configuration, calibrationSets: ["a", "b"]),
      plan: settings.plan, lossGradients: gradients, { false }, { _ in })
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
    let evaluator = try CandidateEvaluator(
      model: model, bound: bound, statistics: statistics("cache", gradients: true), fitness: calibration.fitness,
      settings: settings, damping: 0.01)
    func genes(_ groups: Int, _ channels: Int) -> BoundSpace.Genes {
      BoundSpace.Genes(
        widths: model.configuration.layers.map { _ in LayerWidths(groups: groups, channels: channels) },
        score: "wanda-sp", calibration: "a")
    }
    let groups = [[genes(2, 20), genes(1, 60)], [], [genes(1, 8), genes(2, 48), genes(1, 30)], [genes(2, 10)]]
    for repairing in [false, true] {
      var shares: [Double] = []
      let found = try evaluator.best(ofEach: groups, repairing: repairing) { shares.append($0) }
      #expect(found.count == groups.count && found[1] == nil)
      #expect(shares == shares.sorted() && shares.last.map { $0 > 0.9 && $0 <= 1 } == true)
      for (group, best) in zip(groups, found) where !group.isEmpty {
        let alone = try evaluator.compare(group, repairing: repairing) { _ in }.comparisons
        let early = try evaluator.compare(group, windows: 0..<3, repairing: repairing) { _ in }.comparisons
        let first = try #require(early.indices.min { early[$0].divergence < early[$1].divergence })
        #expect(best?.genes == group[first])
        let expected = evaluator.measurement(of: group[first], alone[first])
        let measured = try #require(best?.measurement)
        #expect(abs(measured.kl - expected.kl) < 1e-6 && measured.parametersBlock == expected.parametersBlock)
        #expect(abs((measured.perplexity ?? 0) / (expected.perplexity ?? 1) - 1) < 1e-6)
      }
    }
  }
}
