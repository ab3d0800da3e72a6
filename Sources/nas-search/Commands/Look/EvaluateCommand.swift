import ArgumentParser
import Checkpoints
import Foundation
import Pipeline
import Reports
import Runtime

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Measure a model on texts (perplexity, KL to a dense model) and on zero-shot tasks (accuracy).")

  @OptionGroup var taken: SourceOptions
  @Option(
    parsing: .upToNextOption, help: "Text files: plain or JSON lines, also packed (.gz, .zst).",
    transform: LocalPath.checked) var text: [String] = []
  @OptionGroup var records: FieldOption
  @Option(
    help:
      "Tokens in a window; several lengths separated by commas. Default: \(EvaluateRequest.standardLengths.map(String.init).joined(separator: ",")), or the model's context where that is shorter."
  )
  var windowLength: String?
  @Option(help: "Most windows of each text and length. Default: all.") var windows: Int?
  @Option(help: "A dense model to compare with; on texts, of the same vocabulary.", transform: LocalPath.checked)
  var dense: String?
  @OptionGroup var continued: ContinuationOptions
  @OptionGroup var asked: TaskOptions
  @OptionGroup var plannedMemory: MemoryOption
  @Flag(help: "Print the measurements as JSON.") var json = false
  @Flag(help: "Print what was reached in tasks as CSV.") var csv = false

  func validate() throws {
    let tasks = asked.request
    if text.isEmpty, tasks == nil { throw ValidationError("there is nothing to measure on: give --text or --tasks") }
    if json, csv { throw ValidationError("--json and --csv are two forms of one output") }
    if csv, tasks == nil { throw ValidationError("--csv is for --tasks and --requests, and there is neither") }
    try UsageError.check {
      try request?.validate()
      try continued.request(request)?.validate()
      try tasks?.validate()
    }
  }

  /// `nil` where there is no text.
  private var request: EvaluateRequest? {
    if text.isEmpty { return nil }
    var request = EvaluateRequest(texts: text.map { .file(URL(fileURLWithPath: $0), field: records.field) })
    request.windowLengths = windowLength.map { NumberList.numbers($0) }
    request.windows = windows
    return request
  }

  func run() throws {
    Interrupt.install()
    let display = ProgressDisplay(quiet: json || csv || !Console.errorIsTerminal)
    let lines = PrintedLines()
    let isQuiet = json || csv
    let monitor = Monitor(
      isCancelled: { Interrupt.requested || lines.haveFailed },
      hear: { [name = taken.source.text] event in
        let line: String
        switch event {
        case let subject as EvaluateJob.Subject: line = Self.header(subject, name: name)
        case let measured as EvaluateJob.Measurement: line = Self.line(measured)
        default: return display.monitor.tell(event)
        }
        display.finish()
        if !isQuiet { lines.print(line) }
      })
    let context = plannedMemory.context(cache: taken.cache)
    let models: EvaluatedModels
    let texts: EvaluateJob.Outcome?
    let tasks: TaskJob.Outcome?
    let continuations: ContinuationJob.Outcome?
    do {
      models = try EvaluatedModels(taken.source, dense: dense, in: context, monitor)
      continuations = try continued.request(request).map { try ContinuationJob($0, of: models).run(monitor) }
      texts = try request.map { try EvaluateJob($0, of: models).run(monitor) }
      tasks = try asked.request.map { try TaskJob($0, of: models).run(monitor) }
    } catch is CancellationError {
      display.finish()
      try lines.check()
      throw ExitCode(128 + SIGINT)
    }
    display.finish()
    try lines.check()
    try report(models, texts, continuations, tasks)
  }

  private func report(
    _ models: EvaluatedModels, _ texts: EvaluateJob.Outcome?, _ continuations: ContinuationJob.Outcome?,
    _ tasks: TaskJob.Outcome?
  ) throws {
    if json {
      var members = try document(models, texts, tasks)
      members["continuations"] = continuations?.document
      return try Console.print(JSONValue.object(members).text())
    }
    let results = tasks?.measurements.map(\.result) ?? []
    if csv { return try Console.json(TaskCSV.data(results, means: tasks?.means ?? [])) }
    for line in continuations?.lines ?? [] { try Console.print(line) }
    if let tasks {
      let table = TaskTable.render(results, means: tasks.means, width: Console.width(1))
      try Console.print(String(table.dropLast()))
    }
    if let peak = ProcessMemory.lifetimePeak { try Console.print("peak memory \(peak / 1_048_576) MiB") }
  }

  private static func header(_ subject: EvaluateJob.Subject, name: String) -> String {
    let configuration = subject.configuration
    return """
      model: \(name) (\(configuration.family.name), \(configuration.layerCount) layers)
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

  private func document(
    _ models: EvaluatedModels, _ texts: EvaluateJob.Outcome?, _ tasks: TaskJob.Outcome?
  ) throws -> [String: JSONValue] {
    var members: [String: JSONValue] = [
      "schema": "nas-search.evaluate", "version": 1, "peak_memory_bytes": .optional(ProcessMemory.lifetimePeak),
    ]
    var model = try models.checkpoint()?.members() ?? [:]
    model["path"] = taken.study == nil ? .optional(taken.model) : .null
    if let point = models.point {
      model["study"] = .string(point.study)
      model["point"] = .integer(point.index)
      model["trial"] = .integer(point.trial)
      model["repair"] = .optional(point.repair?.rawValue)
    }
    if let dense {
      members["dense"] = ["path": .string(dense), "fingerprint": .optional(try models.denseFingerprint())]
    }
    if let texts {
      let configuration = texts.subject.configuration
      model["family"] = .string(configuration.family.name)
      model["layers"] = .integer(configuration.layerCount)
      model["total_parameters"] = .integer(configuration.totalParameters)
      model["block_parameters"] = .integer(configuration.blockParameters)
      members["bos"] = .string(texts.subject.bosRule)
      members["measurements"] = .array(texts.measurements.map(Self.object))
    }
    if let tasks {
      members["tasks"] = .array(
        tasks.measurements.map { TaskJSON.object($0.result, itemsPerSecond: $0.itemsPerSecond) })
      members["means"] = .array(tasks.means.map(TaskJSON.object))
    }
    members["model"] = .object(model)
    return members
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
