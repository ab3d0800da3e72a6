import ArgumentParser
import Foundation
import Pipeline
import Studies

struct BenchmarkCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "benchmark", abstract: "Time the evaluator on the last candidates of a study.",
    discussion: """
      Evaluates the same candidates one by one with the repair made anew, one by one with factorisations kept, and layer \
      by layer without and with shared prefixes. Rates are ratios of one run; the divergences must agree.

      With --precisions: layer by layer in f32 and in bf16, and how well the divergences agree in value and in order.
      """)

  @Argument(help: "Folder of the study, or postgresql://…#NAME.") var study: String
  @Option(help: "Candidates, the last of the study.") var candidates = 64
  @Option(help: "Fitness windows to measure on, the first of the study. Default: all.") var windows: Int?
  @Option(help: "Let them compete on as many numbers of windows, as in a search with --rungs.") var rungs = 1
  @Option(help: "The model, where it is no longer where the study remembers it.", transform: LocalPath.checked)
  var model: String?
  @Option(help: "Folder for calibration statistics.", transform: LocalPath.checked) var cache: String?
  @OptionGroup var plannedMemory: MemoryOption
  @Flag(help: "Compare evaluation in f32 and in bf16 instead.") var precisions = false
  @Flag(help: "Print the result as JSON.") var json = false

  func validate() throws {
    if !(1...100_000).contains(candidates) { throw ValidationError("--candidates must be between 1 and 100000") }
    if let windows, windows < 1 { throw ValidationError("--windows must be at least 1") }
    if precisions && rungs != 1 { throw ValidationError("--precisions takes all windows at once, without --rungs") }
    if !(1...10).contains(rungs) { throw ValidationError("--rungs must be between 1 and 10") }
  }

  func run() throws {
    let memory = plannedMemory.plan(cache: CacheFolder.url(cache))
    Interrupt.install()
    let display = ProgressDisplay(quiet: json)
    if precisions {
      let result = try PrecisionBenchmark(
        StudyAddress(study), model: model, candidates: candidates, windows: windows,
        cache: CacheFolder.url(cache), memory: memory, monitor: display.monitor)
      display.finish()
      if json { return try Console.json(ReportFiles.json(result)) }
      return try Console.print(result.lines.joined(separator: "\n"))
    }
    let result = try EvaluatorBenchmark(
      StudyAddress(study), model: model, candidates: candidates, windows: windows, rungs: rungs,
      cache: CacheFolder.url(cache), memory: memory,
      monitor: display.monitor)
    display.finish()
    if json { return try Console.json(ReportFiles.json(result)) }
    try Console.print(result.lines.joined(separator: "\n"))
  }
}
