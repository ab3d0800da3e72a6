import ArgumentParser
import Calibration
import Foundation
import Pipeline
import Runtime

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate", abstract: "Measure a model on texts: perplexity, and KL to a dense model.")

  @Option(help: "A Hugging Face folder or a .gguf file, also one that was exported here.", transform: LocalPath.checked)
  var model: String
  @Option(
    parsing: .upToNextOption, help: "Text files: plain or JSON lines, also packed (.gz, .zst).",
    transform: LocalPath.checked) var text: [String]
  @OptionGroup var records: FieldOption
  @Option(
    help:
      "Tokens in a window; several lengths separated by commas. Default: \(EvaluateRequest.standardLengths.map(String.init).joined(separator: ",")), or the model's context where that is shorter."
  )
  var windowLength: String?
  @Option(help: "Most windows of each text and length. Default: all.") var windows: Int?
  @Option(help: "A dense model of the same vocabulary to compare with.", transform: LocalPath.checked) var dense:
    String?
  @OptionGroup var plannedMemory: MemoryOption
  @Flag(help: "Print the measurements as JSON.") var json = false

  func validate() throws { try UsageError.check { try request.validate() } }

  private var request: EvaluateRequest {
    var request = EvaluateRequest(
      model: model, texts: text.map { .file(URL(fileURLWithPath: $0), field: records.field) })
    request.dense = dense
    request.windowLengths = windowLength.map { text in
      let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
      return parts.contains(nil) ? [] : parts.compactMap { $0 }
    }
    request.windows = windows
    return request
  }

  func run() throws {
    Interrupt.install()
    let job = try EvaluateJob(request, in: plannedMemory.context(cache: nil))
    job.warnings.forEach(Console.warn)
    let display = ProgressDisplay(quiet: json || !Console.errorIsTerminal)
    if !json { try Console.print(EvaluationOutput.header(job, path: model)) }
    let lines = PrintedLines()
    let measurements: [EvaluateJob.Measurement]
    do {
      measurements = try job.run(
        Monitor(
          isCancelled: { Interrupt.requested || lines.haveFailed },
          hear: { [json] event in
            guard let measured = event as? EvaluateJob.Measurement else { return display.monitor.tell(event) }
            display.finish()
            if !json { lines.print(EvaluationOutput.line(measured)) }
          }))
    } catch is CancellationError {
      display.finish()
      try lines.check()
      throw ExitCode(128 + SIGINT)
    }
    display.finish()
    try lines.check()
    if json { return try Console.print(EvaluationOutput.json(job, path: model, measurements).text()) }
    if let peak = ProcessMemory.lifetimePeak { try Console.print("peak memory \(peak / 1_048_576) MiB") }
  }
}
