import ArgumentParser
import Pipeline

/// The options that decide which text a command calibrates on and judges by.
struct CalibrationOptions: ParsableArguments {
  @Option(help: "Calibration: self, or .txt and .jsonl files; repeat for several sets.") var calibration: [String] = []
  @Option(help: "Field of the text in .jsonl files.") var field = "text"
  @Option(help: "Calibration windows of each set.") var calibrationWindows = 32
  @Option(help: "Tokens in a calibration window.") var calibrationLength = 512
  @Option(help: "Windows on which candidates are measured, shared out between the sets.") var fitnessWindows = 8
  @Option(help: "Tokens in a fitness window.") var fitnessLength = 256

  func validate() throws {
    func require(_ condition: Bool, _ message: String) throws {
      if !condition { throw ValidationError(message) }
    }
    let most = 1 << 20
    try require(
      (1...most).contains(calibrationWindows) && (1...most).contains(fitnessWindows),
      "there must be between 1 and \(most) windows of each kind")
    try require(
      (2...most).contains(calibrationLength) && (2...most).contains(fitnessLength),
      "windows must have between 2 and \(most) tokens")
    try require(
      calibrationWindows * calibrationLength <= 1 << 28 && fitnessWindows * fitnessLength <= 1 << 28,
      "the windows of each kind must have at most \(1 << 28) tokens together")
  }

  func plan(seed: UInt64) -> CalibrationPlan {
    CalibrationPlan(
      calibration: calibration.isEmpty ? ["self"] : calibration, field: field, calibrationWindows: calibrationWindows,
      calibrationLength: calibrationLength, fitnessWindows: fitnessWindows, fitnessLength: fitnessLength, seed: seed)
  }
}
