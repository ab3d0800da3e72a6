import ArgumentParser
import Calibration
import Pipeline

/// The options that decide which text a command calibrates on and judges by.
struct CalibrationOptions: ParsableArguments {
  @Option(
    help: "Calibration: self, or text files, plain or JSON lines, also packed (.gz, .zst); repeat for several sets.",
    transform: LocalPath.checked)
  var calibration: [String] = []
  @Option(help: "Field of the text in JSON lines, such as text or messages.0.content.") var field = "text"
  @Option(help: "Calibration windows of each set.") var calibrationWindows = 32
  @Option(help: "Tokens in a calibration window. Default: 512, or the model's context where that is shorter.")
  var calibrationLength: Int?
  @Option(help: "Windows on which candidates are measured, shared out between the sets.") var fitnessWindows = 8
  @Option(help: "Tokens in a fitness window. Default: 256, or the model's context where that is shorter.")
  var fitnessLength: Int?

  @Option(help: "Leave out documents (records, paragraphs) of fewer tokens.") var minTokens = 0
  @Option(help: "Leave out repeated documents: none, exact or near.") var duplicates = CalibrationFilter.Duplicates.none
  @Option(help: "Quantiles of the dense model's loss between which calibration windows lie, such as 0.05,0.95.")
  var lossBand: LossBandArgument?

  func validate() throws {
    func require(_ condition: Bool, _ message: String) throws {
      if !condition { throw ValidationError(message) }
    }
    let most = 1 << 20
    try require(
      (1...most).contains(calibrationWindows) && (1...most).contains(fitnessWindows),
      "there must be between 1 and \(most) windows of each kind")
    let lengths = (calibrationLength ?? Self.calibrationLength, fitnessLength ?? Self.fitnessLength)
    try require(
      (2...most).contains(lengths.0) && (2...most).contains(lengths.1),
      "windows must have between 2 and \(most) tokens")
    try require(
      calibrationWindows * lengths.0 <= 1 << 28 && fitnessWindows * lengths.1 <= 1 << 28,
      "the windows of each kind must have at most \(1 << 28) tokens together")
    try require(minTokens >= 0, "--min-tokens must not be negative")
  }

  private static let (calibrationLength, fitnessLength) = (512, 256)

  /// - Parameter context: of the models that read the windows.
  func plan(
    within context: ContextLimit, seed: UInt64, gradientWindows: Int = GradientStore.windows, subsets: Int = 1
  ) -> CalibrationPlan {
    CalibrationPlan(
      calibration: calibration.isEmpty ? ["self"] : calibration, field: field, calibrationWindows: calibrationWindows,
      calibrationLength: context.length(
        calibrationLength, default: Self.calibrationLength, option: "--calibration-length"),
      fitnessWindows: fitnessWindows,
      fitnessLength: context.length(fitnessLength, default: Self.fitnessLength, option: "--fitness-length"),
      gradientWindows: gradientWindows, seed: seed,
      filter: CalibrationFilter(minimumTokens: minTokens, duplicates: duplicates, lossBand: lossBand?.band),
      subsets: subsets)
  }
}

/// The same option for the commands that use error curves.
struct GradientOption: ParsableArguments {
  @Option(
    help: "Of the calibration windows, those that gradients are taken on, of all sets together: they cost most of all.")
  var gradientWindows = GradientStore.windows

  func validate() throws {
    if gradientWindows < 1 { throw ValidationError("--gradient-windows must be at least 1") }
  }
}

extension CalibrationFilter.Duplicates: ExpressibleByArgument {}

/// Two quantiles joined by a comma.
struct LossBandArgument: ExpressibleByArgument {
  let band: CalibrationFilter.LossBand

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
    guard parts.count == 2, let lower = parts[0], let upper = parts[1] else { return nil }
    band = CalibrationFilter.LossBand(lower: lower, upper: upper)
    if !band.isValid { return nil }
  }
}
