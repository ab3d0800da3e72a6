import ArgumentParser
import Foundation
import Pipeline

struct PruneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prune", abstract: "Make a model smaller by one named method (see 'methods').")

  @Option(help: "A Hugging Face folder or a .gguf file.", transform: LocalPath.checked) var model: String
  @Option(help: "Name of the method.") var method: String
  @Option(help: "Largest share of the block parameters to keep, such as 0.8.") var keep: Double
  @Option(name: .customLong("set"), help: "A setting of the method, such as gamma=3; repeat for several.")
  var settings: [String] = []
  @OptionGroup var text: CalibrationOptions
  @OptionGroup var leastSquares: DampingOption
  @OptionGroup var output: OutputOptions
  @Option(help: "Folder for calibration statistics.", transform: LocalPath.checked) var cache: String?
  @OptionGroup var plannedMemory: MemoryOption
  @Flag(help: "Print the result as JSON.") var json = false

  func validate() throws { try UsageError.check { try SizeTarget.keep(keep).validate() } }

  func run() throws {
    var request = PruneRequest(model: model, method: method, target: .keep(keep), output: output.checkpoint)
    request.settings = settings
    request.calibration = text.plan(within: try ContextLimit(of: model))
    request.damping = leastSquares.damping
    let outcome = try ProgressDisplay.during(
      quiet: json, PruneJob(request, in: plannedMemory.context(cache: cache)).run)
    try Console.print(
      json
        ? PruneOutput.json(method, outcome, output: output.output).text()
        : PruneOutput.text(method, outcome, output: output.output),
      kept: "the checkpoint is in \(output.output)")
  }
}
