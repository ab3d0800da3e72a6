import LanguageModels
import LinearAlgebra
import Runtime
import Testing

@testable import Exports
@testable import Pipeline

@Suite struct WorkEstimateTests {
  private let speed = MachineSpeed(single: 2e11, double: 1e11)

  private func estimate(
    _ shape: String = "llama-7b", sampled: Int = 0, precision: Precision = .single, calibration: [Int] = [1024],
    gradients: [(scalar: BackwardPass.Scalar, tokens: Int)] = [], records: Bool = false, curves: Double = 1,
    eliminations: Double = 0, damping: Bool = false, baselines: Int = 0, evaluations: Int = 0
  ) throws -> WorkEstimate {
    var work = WorkEstimate.Work(try ModelShape.named(shape).configuration)
    (work.sampledTokens, work.precision, work.calibrationTokens) = (sampled, precision, calibration)
    (work.gradients, work.recordsResiduals, work.fitnessTokens) = (gradients, records, 512)
    (work.curves, work.eliminations, work.choosesDamping) = (curves, eliminations, damping)
    (work.baselines, work.evaluations) = (baselines, evaluations)
    return WorkEstimate(work, speed: speed, memory: MemoryPlan(limit: 12 << 30))
  }

  private func seconds(_ estimate: WorkEstimate, _ stage: String) -> Double {
    estimate.stages.first { $0.stage.rawValue == stage }?.seconds ?? 0
  }

  /// 6.476 G block parameters, two operations each a token; Gram matrices of two times 4096, 4096 and 11008 inputs in 32 layers.
  @Test func countsTheStatisticsOfA7BModel() throws {
    let blocks = 2.0 * 6_476_267_520 * 1024
    let grams = 32.0 * (3 * 4096 * 4096 + 11008 * 11008) * 1024
    #expect(abs(seconds(try estimate(), "statistics") - (blocks + grams) / 2e11) < 0.1)
    // The upper triangles in single precision.
    let disk = 32 * (3 * 4096 * 4096 + 11008 * 11008) * 2
    #expect(abs(try estimate().disk - disk) <= disk / 1000)
  }

  @Test func stagesThatAreNotNeededAreNotThere() throws {
    #expect(try estimate(curves: 0).stages.map(\.stage.rawValue) == ["statistics", "dense reference"])
    #expect(
      try estimate(gradients: [(.loss, 1024)], damping: true).stages.map(\.stage.rawValue) == [
        "statistics", "gradients", "damping", "dense reference", "error curves",
      ])
  }

  @Test func workAddsUp() throws {
    let (one, two) = (try estimate(), try estimate(calibration: [1024, 2048], curves: 3))
    #expect(abs(seconds(two, "statistics") - 3 * seconds(one, "statistics")) < 1e-6)
    #expect(abs(seconds(two, "error curves") - 3 * seconds(one, "error curves")) < 1e-6)
    #expect(two.disk == 2 * one.disk)
    let sampling = "sampling calibration text"
    let (sampled, twice) = (try estimate(sampled: 512), try estimate(sampled: 1024))
    #expect(abs(seconds(twice, sampling) - 2 * seconds(sampled, sampling)) < 1e-6)
    let rounded = try estimate(sampled: 512, precision: .bfloat16)
    #expect((1..<seconds(sampled, sampling)).contains(seconds(rounded, sampling)))
    let passes = try estimate(gradients: [(.loss, 512), (.sampledLoss, 1024)])
    let (weights, outputs) = (
      try estimate(gradients: [(.loss, 512)]), try estimate(gradients: [(.sampledLoss, 512)])
    )
    #expect(
      abs(seconds(passes, "gradients") - seconds(weights, "gradients") - 2 * seconds(outputs, "gradients")) < 1e-6)
    // Gradients of weights cost a forward pass more than moments of the outputs'.
    #expect(seconds(weights, "gradients") > 1.2 * seconds(outputs, "gradients"))
    // Recorded residual streams spare it one.
    let recorded = try estimate(calibration: [512], gradients: [(.loss, 512)], records: true)
    let forward = 2.0 * 6_476_267_520 * 512 / 2e11
    #expect(abs(seconds(weights, "gradients") - seconds(recorded, "gradients") - forward) < 0.05)
    #expect(seconds(try estimate(eliminations: 1), "error curves") > 2 * seconds(one, "error curves"))
    // The choice of the damping runs the held-out windows, and the reference does not again.
    let reference = "dense reference"
    #expect(seconds(try estimate(damping: true), reference) < seconds(one, reference) / 2)
    let (judged, faster) = (try estimate(baselines: 2), try estimate(precision: .bfloat16, baselines: 2))
    let gained = judged.secondsPerEvaluation - faster.secondsPerEvaluation
    #expect(gained > 0)
    let baselines = "uniform baselines"
    #expect(abs(seconds(judged, baselines) - seconds(faster, baselines) - 5 * gained) < 1e-6)
  }

  /// Factors and solutions stay as far as half of the limit goes.
  @Test func memoryGrowsWithWhatIsKept() throws {
    func memory(_ curves: Double, _ evaluations: Int) throws -> Int {
      try estimate("smollm2-135m", curves: curves, evaluations: evaluations).memory
    }
    let three = try memory(3, 0)
    #expect(try memory(1, 0) < three)
    #expect(try memory(3, 10) > three)
    #expect(try memory(1000, 100_000) == memory(1, .max))
  }

  @Test func recordPutsStepsTogetherByStage() throws {
    var record = WorkRecord(try estimate(gradients: [(.sampledLoss, 1024)]))
    let steps: [(Monitor.Stage.Kind?, Double)] = [
      (.statistics, 1), (.statistics, 3), (.statistics, 4), (.gradients, 6), (.statistics, 7), (.baselines, 10),
      (nil, 12),
      (nil, 100),
    ]
    for (step, time) in steps { record.enter(step, at: time) }
    #expect(
      record.stages == [
        StageCost(stage: .statistics, seconds: 5), StageCost(stage: .gradients, seconds: 1),
        StageCost(stage: .statistics, seconds: 3), StageCost(stage: .baselines, seconds: 2),
      ])
  }

  @Test func machineSpeedIsMeasured() throws {
    let speed = try MachineSpeed.measured()
    #expect(speed.single > 0 && speed.double > 0 && speed.single.isFinite)
  }
}
