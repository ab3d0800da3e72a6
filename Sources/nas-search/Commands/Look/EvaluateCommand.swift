import ArgumentParser
import Checkpoints
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
    request.windowLengths = windowLength.map { NumberList.numbers($0) }
    request.windows = windows
    return request
  }

  func run() throws {
    Interrupt.install()
    let display = ProgressDisplay(quiet: json || !Console.errorIsTerminal)
    let lines = PrintedLines()
    let monitor = Monitor(
      isCancelled: { Interrupt.requested || lines.haveFailed },
      hear: { [json, model] event in
        let line: String
        switch event {
        case let subject as EvaluateJob.Subject: line = Self.header(subject, path: model)
        case let measured as EvaluateJob.Measurement: line = Self.line(measured)
        default: return display.monitor.tell(event)
        }
        display.finish()
        if !json { lines.print(line) }
      })
    let outcome: EvaluateJob.Outcome
    do {
      outcome = try EvaluateJob(request, in: plannedMemory.context()).run(monitor)
    } catch is CancellationError {
      display.finish()
      try lines.check()
      throw ExitCode(128 + SIGINT)
    }
    display.finish()
    try lines.check()
    if json { return try Console.print(document(outcome).text()) }
    if let peak = ProcessMemory.lifetimePeak { try Console.print("peak memory \(peak / 1_048_576) MiB") }
  }

  private static func header(_ subject: EvaluateJob.Subject, path: String) -> String {
    let configuration = subject.configuration
    return """
      model: \(path) (\(configuration.family.name), \(configuration.layerCount) layers)
      parameters: \(configuration.totalParameters) in all, \(configuration.blockParameters) in blocks
      beginning-of-sequence tokens: \(subject.bosRule)
      """
  }

  private static func line(_ measured: EvaluateJob.Measurement) -> String {
    var text =
      "\(measured.file): window \(measured.window), \(measured.windows) windows, \(measured.tokens) tokens: "
      + "perplexity \(measured.perplexity.fixed(4))"
    if let dense = measured.densePerplexity, let divergence = measured.divergence,
      let agreement = measured.topOneAgreement
    {
      text +=
        ", dense \(dense.fixed(4)), ratio \((measured.perplexity / dense).fixed(4)), KL \(divergence.fixed(4)), "
        + "top-1 agreement \((agreement * 100).fixed(4)) %"
    }
    return text + ", \(Int(measured.tokensPerSecond)) tokens/s"
  }

  private func document(_ outcome: EvaluateJob.Outcome) -> JSONValue {
    let configuration = outcome.subject.configuration
    return [
      "schema": "nas-search.evaluate", "version": 1,
      "model": [
        "path": .string(model), "family": .string(configuration.family.name),
        "layers": .integer(configuration.layerCount), "total_parameters": .integer(configuration.totalParameters),
        "block_parameters": .integer(configuration.blockParameters),
      ],
      "bos": .string(outcome.subject.bosRule),
      "peak_memory_bytes": .optional(ProcessMemory.lifetimePeak),
      "measurements": .array(outcome.measurements.map(Self.object)),
    ]
  }

  private static func object(_ measured: EvaluateJob.Measurement) -> JSONValue {
    [
      "file": .string(measured.file), "window": .integer(measured.window), "windows": .integer(measured.windows),
      "tokens": .integer(measured.tokens), "perplexity": .number(measured.perplexity),
      "mean_nll": .number(measured.meanNLL), "dense_perplexity": .optional(measured.densePerplexity),
      "kl": .optional(measured.divergence), "top1_agreement": .optional(measured.topOneAgreement),
      "tokens_per_second": .number(measured.tokensPerSecond),
    ]
  }
}
