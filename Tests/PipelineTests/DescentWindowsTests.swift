import Calibration
import Foundation
import LanguageModels
import Testing

@testable import Pipeline

/// `--descent-windows`: more text for a descent, and the same for everything else.
@Suite struct DescentWindowsTests {
  private static func read(_ sources: [String], _ change: (inout CalibrationPlan) -> Void = { _ in }) throws
    -> CalibrationFile
  {
    let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Fixtures")
    let model = try LanguageModel(fixtures.appendingPathComponent("models/llama3-gqa"))
    var plan = CalibrationPlan()
    plan.calibration = sources.map {
      CalibrationSource($0 == "self" ? $0 : fixtures.appendingPathComponent("text/\($0)").path, field: "text")
    }
    (plan.calibrationWindows, plan.calibrationLength, plan.fitnessWindows, plan.fitnessLength) = (4, 16, 4, 8)
    change(&plan)
    try plan.validate()
    return try CalibrationFile.read(plan, model: model, .silent)
  }

  @Test(arguments: ["lighthouse.txt", "self"])
  func onlyTheDescentSeesMore(_ source: String) throws {
    let plain = try Self.read([source])
    let more = try Self.read([source]) { $0.descentWindows = 10 }
    #expect(plain.windows == more.windows && plain.fitness == more.fitness)
    #expect(plain.training == plain.windows)
    #expect(more.training.count == 10 && more.training.windows(0..<4) == plain.windows)
    #expect(Set((0..<10).map { Array(more.training[$0]) }).count == 10)
    let held = Set((0..<more.fitness.count).map { Array(more.fitness[$0]) })
    for window in 0..<10 {
      let tokens = Array(more.training[window])
      #expect(!held.contains(Array(tokens[..<8])) && !held.contains(Array(tokens[8...])))
    }
  }

  @Test func theSetsTakeTurns() throws {
    let file = try Self.read(["lighthouse.txt", "self"]) { $0.descentWindows = 6 }
    #expect(file.training.count == 12)
    #expect(file.training.windows(0..<8) == file.windows)
  }

  /// A loss band picks the windows of both kinds.
  @Test func windowsOfADescentLieInTheLossBand() throws {
    let file = try Self.read(["self"]) {
      $0.descentWindows = 8
      $0.filter.lossBand = .init(lower: 0.1, upper: 0.9)
    }
    #expect(file.windows.count == 4 && file.training.count == 8)
    #expect(file.training.windows(0..<4) == file.windows)
  }

  @Test func fewerThanTheCalibrationOrSubsetsAreRefused() throws {
    #expect(throws: PipelineError.self) { try Self.read(["self"]) { $0.descentWindows = 3 } }
    #expect(throws: PipelineError.self) {
      try Self.read(["lighthouse.txt"]) { ($0.descentWindows, $0.subsets) = (8, 2) }
    }
  }
}
