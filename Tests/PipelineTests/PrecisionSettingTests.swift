import Foundation
import LinearAlgebra
import Testing

@testable import Pipeline

@Suite struct PrecisionSettingTests {
  private func settings(_ precision: Precision, gradientWindows: Int = 16) -> SearchSettings {
    SearchSettings(
      model: "m", space: "widths", spaceText: "", target: nil, objectives: ["kl", "params"],
      plan: CalibrationPlan(
        calibration: ["self"], field: "text", calibrationWindows: 8, calibrationLength: 64, fitnessWindows: 4,
        fitnessLength: 64, gradientWindows: gradientWindows, seed: 0),
      damping: nil, repair: .nested, curveMetric: .loss, population: 16, precision: precision)
  }

  @Test(arguments: Precision.allCases) func settingsKeepThePrecision(_ precision: Precision) throws {
    let settings = settings(precision)
    let read = try JSONDecoder().decode(SearchSettings.self, from: settings.json())
    #expect(read == settings)
    if precision.isSupported {
      #expect(try read.evaluationPrecision() == precision)
    } else {
      #expect(throws: PipelineError.self) { try read.evaluationPrecision() }
    }
  }

  /// Studies from before there was a choice are in single precision, and look as they did.
  @Test func singlePrecisionIsNotWritten() throws {
    let text = try String(decoding: settings(.single).json(), as: UTF8.self)
    #expect(!text.contains("precision"))
  }

  @Test func anotherPrecisionIsAnotherStudy() {
    #expect(settings(.single).difference(to: settings(.single)) == nil)
    #expect(settings(.bfloat16).difference(to: settings(.single)) == "precision was bf16, now f32")
  }

  @Test func windowsForGradientsAreASettingLikeThat() throws {
    let few = settings(.single, gradientWindows: 8)
    let read = try JSONDecoder().decode(SearchSettings.self, from: few.json())
    #expect(read == few && read.plan.gradientWindows == 8)
    #expect(few.difference(to: settings(.single)) == "gradient windows was 8, now 16")
    #expect(try !String(decoding: settings(.single).json(), as: UTF8.self).contains("gradientWindows"))
    // Plans from before there was a choice.
    let old = try JSONSerialization.data(
      withJSONObject: [
        "calibration": ["self"], "field": "text", "calibrationWindows": 8, "calibrationLength": 64, "fitnessWindows": 4,
        "fitnessLength": 64, "seed": 0,
      ] as [String: Any])
    #expect(try JSONDecoder().decode(CalibrationPlan.self, from: old).gradientWindows == 16)
  }

  @Test func anUnknownPrecisionIsAnError() {
    var settings = settings(.single)
    settings.precision = "f8"
    let error = PipelineError.invalidOption("unknown precision 'f8' (known: f32, bf16)")
    #expect(throws: error) { try settings.evaluationPrecision() }
  }
}
