import ArgumentParser
import Calibration
import Methods
import Pipeline
import Reformation
import Tasks

/// The options that decide which text a command calibrates on and judges by.
struct CalibrationOptions: ParsableArguments {
  private static let standard = CalibrationPlan()

  @Option(
    help: "Calibration: self, or text files, plain or JSON lines, also packed (.gz, .zst); repeat for several sets.",
    transform: LocalPath.checked)
  var calibration: [String] = []
  @OptionGroup var records: FieldOption
  @Option(help: "Calibration windows of each set.") var calibrationWindows = standard.calibrationWindows
  @Option(
    help:
      "Tokens in a calibration window. Default: \(standard.calibrationLength), or the model's context where that is shorter."
  )
  var calibrationLength: Int?
  @Option(help: "Windows on which candidates are measured, shared out between the sets.") var fitnessWindows =
    standard.fitnessWindows
  @Option(
    help:
      "Tokens in a fitness window. Default: \(standard.fitnessLength), or the model's context where that is shorter.")
  var fitnessLength: Int?
  @Option(help: "Leave out documents (records, paragraphs) of fewer tokens.") var minTokens =
    standard.filter.minimumTokens
  @Option(help: "Leave out repeated documents: none, exact or near.") var duplicates = standard.filter.duplicates
  @Option(help: "Quantiles of the dense model's loss between which calibration windows lie, such as 0.05,0.95.")
  var lossBand: LossBandArgument?
  @Option(help: "Seed of everything random.") var seed = standard.seed

  func validate() throws { try UsageError.check { try plan(within: nil).validate() } }

  /// - Parameter context: context of the models that read the windows; `nil` to check the numbers alone.
  func plan(within context: ContextLimit?) -> CalibrationPlan {
    func length(_ given: Int?, _ standard: Int, _ option: String) -> Int {
      context?.length(given, default: standard, option: option) ?? given ?? standard
    }
    var plan = CalibrationPlan()
    if !calibration.isEmpty { plan.calibration = calibration.map { CalibrationSource($0, field: records.field) } }
    plan.calibrationWindows = calibrationWindows
    plan.calibrationLength = length(calibrationLength, plan.calibrationLength, "--calibration-length")
    plan.fitnessWindows = fitnessWindows
    plan.fitnessLength = length(fitnessLength, plan.fitnessLength, "--fitness-length")
    plan.filter = CalibrationFilter(minimumTokens: minTokens, duplicates: duplicates, lossBand: lossBand?.band)
    plan.seed = seed
    return plan
  }
}

/// The option for commands that may train a subnet shortly.
struct DescentOption: ParsableArguments {
  @Option(
    help:
      "Windows of each set that a descent goes over, those of the calibration among them. Default: those alone. More text is what a descent gains most from."
  )
  var descentWindows: Int?

  /// Whether a method or a setting names a repair in the loss.
  static func isAsked(for words: [String]) -> Bool {
    words.contains { ($0 + ":").contains(MethodRegistry.descentSuffix + ":") }
      || words.contains { word in
        [Repair.descent, .gaussNewton].contains { word.contains("repair=\($0.rawValue)") }
      }
  }

  /// - Parameter descends: whether anything is asked for that goes over them.
  func add(to plan: inout CalibrationPlan, descends: Bool) throws {
    guard let descentWindows else { return }
    plan.descentWindows = descentWindows
    try UsageError.check {
      if !descends { throw PipelineError.invalidOption("--descent-windows is for a descent, and none is asked for") }
      try plan.validate()
    }
  }
}

/// The field of records, for commands that read text.
struct FieldOption: ParsableArguments {
  @Option(help: "Field of the text in JSON lines, such as text or messages.0.content.") var field = "text"
}

/// The option for commands that use error curves.
struct GradientOption: ParsableArguments {
  @Option(
    help: "Calibration windows, of all sets together, that gradients are taken on: they cost most of all.")
  var gradientWindows = CalibrationPlan().gradientWindows
}

/// A wrong request, told with how to use the command.
enum UsageError {
  static func check(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch let error as PipelineError {
      throw ValidationError("\(error)")
    } catch let error as TaskError {
      throw ValidationError("\(error)")
    }
  }
}

extension CalibrationFilter.Duplicates: ExpressibleByArgument {}

/// Two quantiles joined by a comma.
struct LossBandArgument: ExpressibleByArgument {
  let band: CalibrationFilter.LossBand

  init?(argument: String) {
    let parts: [Double] = NumberList.numbers(argument)
    guard parts.count == 2 else { return nil }
    band = CalibrationFilter.LossBand(lower: parts[0], upper: parts[1])
    if !band.isValid { return nil }
  }
}
