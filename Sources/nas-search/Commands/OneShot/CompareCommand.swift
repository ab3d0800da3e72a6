import ArgumentParser
import Calibration
import Checkpoints
import Methods
import Pipeline
import Reports

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare", abstract: "Measure pruning methods side by side at several sizes.")

  @Option(help: "A Hugging Face folder or a .gguf file.", transform: LocalPath.checked) var model: String
  @Option(help: "Names separated by commas (see 'methods'), or all; ours-fast:repair=none is a variant.") var methods =
    "all"
  @Option(help: "Shares of the block parameters to keep, separated by commas.") var keep = "0.9,0.8,0.65,0.5"
  @Option(name: .customLong("set"), help: "A setting, such as ours.evaluations=50; repeat for several.")
  var settings: [String] = []
  @Option(help: "Candidates that a method with a search may judge at each size, where --set says no other number.")
  var evaluations = CompareRequest.standard.evaluations
  @OptionGroup var calibration: CalibrationOptions
  @OptionGroup var descent: DescentOption
  @Option(
    parsing: .upToNextOption,
    help: "Texts to evaluate on, none of them calibrated on: plain or JSON lines, also packed (.gz, .zst).",
    transform: LocalPath.checked)
  var text: [String]
  @Option(help: "Tokens in an evaluation window. Default: 1024, or the model's context where that is shorter.")
  var windowLength: Int?
  @Option(help: "Most evaluation windows of each text.") var windows = CompareRequest.standard.windows
  @OptionGroup var asked: TaskNames
  @OptionGroup var leastSquares: DampingOption
  @Option(
    help: "Folder of the comparison; made, or resumed. Default: runs/compare-MODEL.", transform: LocalPath.checked)
  var output: String?
  @Option(help: "Folder for calibration statistics.", transform: LocalPath.checked) var cache: String?
  @OptionGroup var plannedMemory: MemoryOption
  @Flag(help: "Print the result as JSON.") var json = false

  func validate() throws {
    if output?.isEmpty ?? false { throw ValidationError("--output is empty") }
    try asked.check(asked.tasks != nil, "--tasks")
    try UsageError.check { try request(within: nil).validate() }
  }

  /// - Parameter context: context of the model; `nil` to check the request alone.
  private func request(within context: ContextLimit?) throws -> CompareRequest {
    var request = CompareRequest(
      model: model,
      methods: methods == "all" ? MethodRegistry.all.map(\.name) : methods.split(separator: ",").map(String.init),
      keeps: NumberList.numbers(keep), texts: text.map { CalibrationSource($0, field: calibration.records.field) })
    request.plan = calibration.plan(within: context)
    try descent.add(to: &request.plan, descends: DescentOption.isAsked(for: request.methods + settings))
    let standard = CompareRequest.standard.window
    request.window =
      context?.length(windowLength, default: standard, option: "--window-length") ?? windowLength ?? standard
    (request.windows, request.assignments, request.evaluations) = (windows, settings, evaluations)
    request.tasks = asked.request
    request.damping = leastSquares.damping
    return request
  }

  private var folder: String { output ?? "runs/compare-\(LocalPath.name(ofModel: model))" }

  func run() throws {
    let context = plannedMemory.context(cache: cache)
    Interrupt.install()
    let request = try request(within: try ContextLimit(of: model))
    let job = CompareJob(request, folder: folder, command: command, in: context)
    let comparison: MethodComparison
    do {
      comparison = try ProgressDisplay.during(quiet: json, job.run)
    } catch is CancellationError {
      return Console.note("stopped; the same command goes on where this ended")
    }
    let kept = "the comparison is in \(folder)"
    if json { return try Console.json(ComparisonJSON.data(comparison), kept: kept) }
    try Console.print(
      ComparisonTable.render(comparison, width: Console.width(1), color: Console.outputIsTerminal), kept: kept)
    Console.note("report: \(folder)/comparison.html")
  }

  /// The command line as it was given.
  private var command: String {
    (["nas-search"] + CommandLine.arguments.dropFirst()).map(ShellWord.quoted).joined(separator: " ")
  }
}
