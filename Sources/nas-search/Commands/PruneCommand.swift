import ArgumentParser
import Exports
import Foundation
import Methods
import Pipeline
import Workbench

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
  @Option(help: "Seed of everything random.") var seed: UInt64 = 0
  @Option(help: "Folder or .gguf file to write.", transform: LocalPath.checked) var output: String
  @Option(help: "hf or gguf; by default what --output looks like.") var format: ExportFormat?
  @Option(help: "Type of the weights: f16, bf16 or f32.") var dtype = WeightType.f16
  @Option(help: "Folder for calibration statistics.", transform: LocalPath.checked) var cache: String?
  @OptionGroup var plannedMemory: MemoryOption
  @Flag(help: "Replace an earlier export at the output.") var replace = false
  @Flag(help: "Print the result as JSON.") var json = false

  func validate() throws {
    if !(keep > 0 && keep <= 1) { throw ValidationError("--keep is a share above 0 and at most 1, not \(keep)") }
    if output.isEmpty { throw ValidationError("--output is empty") }
  }

  func run() throws {
    let memory = plannedMemory.plan(cache: CacheFolder.url(cache))
    let display = ProgressDisplay(quiet: json)
    let target = ExportTarget(
      output,
      ExportOptions(
        format: format ?? .fitting(output), type: dtype.element, replacing: replace, monitor: display.monitor)
    )
    let session = try PruneSession(
      model: model, method: method, target: .keep(keep), assignments: settings,
      plan: text.plan(within: ContextLimit(of: model), seed: seed), damping: leastSquares.damping, output: target,
      cache: CacheFolder.url(cache), memory: memory, monitor: display.monitor)
    let outcome = try session.prune()
    display.finish()
    if outcome.damping != nil { session.warnings.forEach(Console.warn) }
    let result = try session.write(outcome, to: target, toolVersion: NASSearch.version)
    display.finish()
    try Console.print(
      json
        ? PruneOutput.json(method, outcome, result, output: output).text()
        : PruneOutput.text(method, outcome, result, output: output), kept: "the checkpoint is in \(output)")
  }
}
