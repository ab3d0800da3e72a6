import ArgumentParser
import Checkpoints
import Foundation
import Pipeline

struct BenchmarkCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "benchmark", abstract: "Time the evaluator on the last candidates of a study.",
    discussion: """
      Evaluates the same candidates one by one with the repair made anew, one by one with factorisations kept, and layer \
      by layer without and with shared prefixes. Rates are ratios of one run; the divergences must agree.

      With --precisions: layer by layer in f32 and in bf16, and how well the divergences agree in value and in order.
      """)

  @Argument(help: "Folder of the study, or postgresql://…#NAME.") var study: String
  @Option(help: "Candidates, the last of the study.") var candidates = BenchmarkRequest.standard.candidates
  @Option(help: "Fitness windows to measure on, the first of the study. Default: all.") var windows: Int?
  @Option(help: "Let them compete on as many numbers of windows, as in a search with --rungs.") var rungs =
    BenchmarkRequest.standard.rungs
  @Option(help: "The model, where it is no longer where the study remembers it.", transform: LocalPath.checked)
  var model: String?
  @Option(help: "Folder for calibration statistics.", transform: LocalPath.checked) var cache: String?
  @OptionGroup var plannedMemory: MemoryOption
  @Flag(help: "Compare evaluation in f32 and in bf16 instead.") var precisions = false
  @Flag(help: "Print the result as JSON.") var json = false

  func validate() throws {
    try UsageError.check { try request.validate() }
    if precisions && rungs != 1 { throw ValidationError("--precisions takes all windows at once, without --rungs") }
  }

  private var request: BenchmarkRequest {
    var request = BenchmarkRequest(study: study)
    (request.model, request.candidates, request.windows, request.rungs) = (model, candidates, windows, rungs)
    return request
  }

  func run() throws {
    let context = plannedMemory.context(cache: cache)
    Interrupt.install()
    let job = BenchmarkJob(request, in: context)
    if precisions {
      let result = try ProgressDisplay.during(quiet: json, job.comparePrecisions)
      return try show(result, result.lines)
    }
    let result = try ProgressDisplay.during(quiet: json, job.run)
    try show(result, result.lines)
  }

  private func show(_ result: some Encodable, _ lines: [String]) throws {
    try json
      ? Console.json(StoredJSON.document(result, schema: "benchmark")) : Console.print(lines.joined(separator: "\n"))
  }
}

extension EvaluatorBenchmark {
  var lines: [String] {
    rows.map { row in
      row.way.padding(toLength: 34, withPad: " ", startingAt: 0)
        + String(
          format: "%8.1f s  %6.3f evaluations/s  %6.2f ×  largest difference %.1e", row.seconds,
          row.evaluationsPerSecond, row.ratio, row.largestDifference)
    } + [
      String(
        format: "%d candidates on %@ windows (%d tokens), memory limit %d MiB; %.1f %% of half layers shared",
        candidates, rungs.map(String.init).joined(separator: ", "), tokens, memoryLimit >> 20, 100 * shared)
    ]
  }
}

extension PrecisionBenchmark {
  /// A line for each precision, and how well they agree.
  var lines: [String] {
    rows.map { row in
      row.precision.padding(toLength: 6, withPad: " ", startingAt: 0)
        + String(format: "%8.1f s  %6.3f evaluations/s", row.seconds, row.evaluationsPerSecond)
    } + [
      String(
        format: "bf16 is %.2f × as fast on %d candidates and %d windows (%d tokens)", ratio, candidates, windows, tokens
      ),
      String(
        format: "rank correlation of the divergences %.5f; relative difference %+.2e on average, at most %.1e",
        rankCorrelation ?? .nan,
        meanDifference, largestDifference),
      String(
        format: "%d of %d pairs change places, at most %.1e apart", swappedPairs, pairs, largestSwap),
    ]
  }
}
