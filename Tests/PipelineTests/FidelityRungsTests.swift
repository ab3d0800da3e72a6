import Evaluation
import Testing

@testable import Pipeline

@Suite struct FidelityRungsTests {
  /// Windows that are harder than others for every candidate alike.
  private func record(_ factor: Double, shift: Double, windows: Int = 8) -> WindowRecord {
    let hardness = [0.2, 0.9, 0.4, 0.1, 1.5, 0.3, 0.6, 0.8]
    return WindowRecord(
      divergences: hardness.prefix(windows).map { $0 * factor }, losses: hardness.prefix(windows).map { 3 * $0 + shift }
    )
  }

  private func rungs(_ references: Int) -> FidelityRungs {
    var rungs = FidelityRungs(windows: 8, count: 3)
    for number in 0..<references { rungs.learn(record(1 + Double(number), shift: 0.1 * Double(number))) }
    return rungs
  }

  @Test func withoutReferencesTheMeanIsAllThereIs() {
    let rungs = rungs(0)
    #expect(!rungs.isTrusted && rungs.ladder.rungs == [2, 4, 8])
    let (divergence, loss) = rungs.estimate(record(1, shift: 0, windows: 2))
    #expect(abs(divergence - 0.55) < 1e-12 && abs(loss - 1.65) < 1e-12)
  }

  @Test(arguments: [2, 4, 8]) func hardnessOfWindowsIsTakenOut(windows: Int) {
    let rungs = rungs(FidelityRungs.fewest)
    #expect(rungs.isTrusted)
    let (divergence, loss) = rungs.estimate(record(0.37, shift: 0.7, windows: windows))
    // Of all eight windows, whichever were measured.
    #expect(abs(divergence - 0.37 * 0.6) < 1e-12 && abs(loss - (1.8 + 0.7)) < 1e-12)
  }

  @Test func onlyWholeRecordsAreReferences() {
    var rungs = rungs(FidelityRungs.fewest - 1)
    rungs.learn(record(5, shift: 5, windows: 4))
    #expect(rungs.references == FidelityRungs.fewest - 1 && !rungs.isTrusted)
  }

  /// The curves foretell the order with what errors have together, and their plain sum the opposite.
  @Test func promisesAreRankedWithAndWithoutWhatErrorsHaveTogether() throws {
    func trials(_ sum: (Double) -> Double?) -> [TrialDescription] {
      [1.0, 2, 3, 4, 5].map { factor in
        TrialDescription(
          measurement: SubnetMeasurement(keepRatio: 0.5, parametersTotal: 10, parametersBlock: 5), score: "obs",
          calibration: "wiki", seconds: 1, windows: record(factor, shift: 0), predicted: factor * factor,
          predictedSum: sum(factor))
      }
    }
    let both = try FidelityReport(trials { -$0 }, windows: 8, count: 3)
    #expect(both.predicted == 5)
    #expect(abs(try #require(both.predictedCorrelation) - 1) < 1e-12)
    #expect(abs(try #require(both.sumCorrelation) + 1) < 1e-12)
    let alone = try FidelityReport(trials { _ in nil }, windows: 8, count: 3)
    #expect(alone.predictedCorrelation == both.predictedCorrelation && alone.sumCorrelation == nil)
    let stored = try trials { -$0 }[1].attributes()
    #expect(stored["predicted"] == "4" && stored["predicted_sum"] == "-2")
    #expect(try trials { _ in nil }[1].attributes()["predicted_sum"] == nil)
  }
}
