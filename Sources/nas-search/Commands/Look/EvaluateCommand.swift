import ArgumentParser
import Calibration
import Checkpoints
import Foundation
import LinearAlgebra
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
  @Option(
    help:
      "Tokens in a window; several lengths separated by commas. Default: 2048,128, or the model's context where that is shorter."
  )
  var windowLength: String?
  @Option(help: "Most windows of each text and length. Default: all.") var windows: Int?
  @Option(help: "A dense model of the same vocabulary to compare with.", transform: LocalPath.checked) var dense:
    String?
  @Option(help: "Field of the text in JSON lines, such as text or messages.0.content.") var field = "text"
  @OptionGroup var plannedMemory: MemoryOption
  @Flag(help: "Print the measurements as JSON.") var json = false

  func validate() throws {
    if text.isEmpty { throw ValidationError("--text needs at least one file") }
    if let windowLength, lengths.isEmpty || lengths.contains(where: { $0 < 2 }) {
      throw ValidationError(
        "--window-length is a list of lengths of at least 2, such as 2048,128, not '\(windowLength)'")
    }
    if let windows, windows < 1 { throw ValidationError("--windows must be at least 1") }
  }

  /// Those that were asked for.
  private var lengths: [Int] {
    guard let windowLength else { return [] }
    let parts = windowLength.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    return parts.contains(nil) ? [] : parts.compactMap { $0 }
  }

  /// Those that are measured: each once.
  private func lengths(within context: ContextLimit) -> [Int] {
    func length(_ given: Int?, _ standard: Int) -> Int {
      context.length(given, default: standard, option: "--window-length")
    }
    let lengths = windowLength == nil ? [2048, 128].map { length(nil, $0) } : lengths.map { length($0, $0) }
    return lengths.indices.filter { !lengths[..<$0].contains(lengths[$0]) }.map { lengths[$0] }
  }

  func run() throws {
    let memory = plannedMemory.plan(cache: CacheFolder.url(nil))
    let evaluation = try ModelEvaluation(
      model: URL(fileURLWithPath: model), dense: dense.map { URL(fileURLWithPath: $0) },
      memory: memory)
    let sources = text.map { CalibrationSource.file(URL(fileURLWithPath: $0), field: field) }
    let lengths = lengths(within: evaluation.context)
    // Whatever is wrong with a text is found before the first is measured.
    let texts = try zip(sources, text).map { source, path in
      try evaluation.read(source, called: path, longestWindow: lengths.max() ?? 2)
    }
    for warning in try evaluation.calibrationWarnings(sources) { Console.warn(warning) }
    if !json { try Console.print(EvaluationOutput.header(evaluation, path: model)) }
    var measurements: [ModelEvaluation.Measurement] = []
    for text in texts {
      for length in lengths {
        let measured = try evaluation.measure(text, window: length, limit: windows)
        measurements.append(measured)
        if !json { try Console.print(EvaluationOutput.line(measured)) }
      }
    }
    if json { return try Console.print(EvaluationOutput.json(evaluation, path: model, measurements).text()) }
    if let peak = ProcessMemory.lifetimePeak { try Console.print("peak memory \(peak / 1_048_576) MiB") }
  }
}
