import ArgumentParser
import Checkpoints
import Exports
import Foundation
import Pipeline
import Reformation
import Studies

struct SolveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "solve", abstract: "Subnets for any budgets from error curves alone, in seconds, without a search.")

  @Option(
    help: "A Hugging Face folder or a .gguf file. With --study: where it has moved since.", transform: LocalPath.checked
  ) var model: String?
  @Option(help: "Folder of a study whose calibration is taken.") var study: String?
  @Option(help: "Shares of the block parameters to keep, separated by commas.") var keep: String
  @Option(help: "Scores to choose from, separated by commas; each budget takes the best.") var scores =
    "obs-loss,obs,flap"
  @Option(help: "Unit of the error curves: loss (needs gradients), residual or output.") var curveMetric =
    ErrorCurves.Metric.loss
  @Flag(help: "Let layers, but the first, lose their attention or their MLP altogether, or both.") var dropModules =
    false
  @Option(
    help:
      "Query heads that every kept KV group keeps: all, or a number; of several, separated by commas, each budget takes the best."
  )
  var queries = "all"
  @OptionGroup var text: CalibrationOptions
  @OptionGroup var gradients: GradientOption
  @OptionGroup var leastSquares: DampingOption
  @Option(
    help: "Folder or .gguf file to write; with several budgets a folder for one each.", transform: LocalPath.checked)
  var output: String?
  @Option(help: "hf or gguf; by default what --output looks like.") var format: ExportFormat?
  @Option(help: "Folder for calibration statistics.", transform: LocalPath.checked) var cache: String?
  @OptionGroup var plannedMemory: MemoryOption
  @Flag(help: "Also measure each subnet on the held-out windows.") var measure = false
  @OptionGroup var evaluation: PrecisionOption
  @OptionGroup var weights: WeightOptions
  @Flag(help: "Print the result as JSON.") var json = false

  func validate() throws {
    if keeps.isEmpty || keeps.contains(where: { !($0 > 0 && $0 <= 1) }) || Set(keeps).count < keeps.count {
      throw ValidationError(
        "--keep is a list of different shares above 0 and at most 1, such as 0.9,0.8, not '\(keep)'")
    }
    if model == nil, study == nil { throw ValidationError("give --model, or --study with the folder of a study") }
    if queryChoices.isEmpty || Set(queryChoices).count < queryChoices.count {
      throw ValidationError("--queries is a list of different positive numbers or all, such as all,2, not '\(queries)'")
    }
    if output?.isEmpty ?? false { throw ValidationError("--output is empty") }
  }

  private var keeps: [Double] {
    let parts = keep.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
    return parts.contains(nil) ? [] : parts.compactMap { $0 }
  }

  private var queryChoices: [Int?] {
    let parts = queries.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    let numbers = parts.map { Int($0) }
    let valid = zip(parts, numbers).allSatisfy { $0 == "all" || ($1 ?? 0) >= 1 }
    return valid ? numbers : []
  }

  /// Where each budget's checkpoint goes.
  private func targets(_ display: ProgressDisplay) -> [ExportTarget] {
    guard let output else { return [] }
    func checkpoint(_ path: String) -> CheckpointOutput {
      CheckpointOutput(path, format: format, type: weights.dtype, isReplacing: weights.replace)
    }
    let given = checkpoint(output)
    if keeps.count == 1 { return [given.target(display.monitor)] }
    let folder = output.hasSuffix("/") ? output : output + "/"
    return keeps.map {
      var checkpoint = checkpoint(folder + "keep-\($0)" + (given.format == .gguf ? ".gguf" : ""))
      checkpoint.format = given.format
      return checkpoint.target(display.monitor)
    }
  }

  func run() throws {
    let memory = plannedMemory.plan(cache: CacheFolder.url(cache))
    let display = ProgressDisplay(quiet: json)
    let targets = targets(display)
    let session = try SolveSession(
      model: model, source: source(),
      scores: scores.split(separator: ",").map(String.init), metric: curveMetric,
      droppingModules: dropModules, queries: queryChoices, damping: leastSquares.damping,
      precision: evaluation.precision.value, outputs: Array(zip(targets, keeps)),
      cache: CacheFolder.url(cache),
      memory: memory, monitor: display.monitor)
    display.finish()
    session.warnings.forEach(Console.warn)
    let start = ContinuousClock.now
    let answers = try keeps.map { try session.solve(keep: $0) }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let measured = measure ? try answers.map { try session.measure($0) } : []
    display.finish()
    if !json { Console.note(session.work.text) }
    var lines = [
      SolveOutput.table(answers, measured),
      "error curves in \(String(format: "%.1f", session.curveSeconds)) s, \(answers.count) budgets in "
        + "\(String(format: "%.2f", seconds)) s\(session.damping.map { "; damping \($0) of the mean diagonal" } ?? "")",
    ]
    for (answer, target) in zip(answers, targets) {
      let result = try session.write(answer, to: target, toolVersion: NASSearch.version)
      display.finish()
      lines.append("\(target.path): architecture \(result.architecture)")
    }
    // After all is written: an output that cannot be printed takes no checkpoint away.
    let document = SolveOutput.json(
      answers, measured, metric: curveMetric, damping: session.damping, seconds: (session.curveSeconds, seconds))
    try Console.print(
      json ? document.text() : lines.joined(separator: "\n"), kept: output.map { "the checkpoints are in \($0)" })
  }

  /// Whose windows are taken.
  private func source() throws -> SolveSession.Source {
    if let study { return .study(try StudyAddress(study)) }
    // `validate` wants one of the two.
    var plan = text.plan(within: try ContextLimit(of: model ?? ""))
    plan.gradientWindows = gradients.gradientWindows
    return .plan(plan)
  }
}
