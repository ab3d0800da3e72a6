import ArgumentParser
import Calibration
import Checkpoints
import Foundation
import Methods
import Pipeline
import Reports
import Workbench

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
  var evaluations = 100
  @OptionGroup var calibration: CalibrationOptions
  @Option(
    parsing: .upToNextOption,
    help: "Texts to evaluate on, none of them calibrated on: plain or JSON lines, also packed (.gz, .zst).",
    transform: LocalPath.checked)
  var text: [String]
  @Option(help: "Tokens in an evaluation window. Default: 1024, or the model's context where that is shorter.")
  var windowLength: Int?
  @Option(help: "Most evaluation windows of each text.") var windows = 10
  @OptionGroup var leastSquares: DampingOption
  @Option(
    help: "Folder of the comparison; made, or resumed. Default: runs/compare-MODEL.", transform: LocalPath.checked)
  var output: String?
  @Option(help: "Folder for calibration statistics.", transform: LocalPath.checked) var cache: String?
  @OptionGroup var plannedMemory: MemoryOption
  @Flag(help: "Print the result as JSON.") var json = false

  func validate() throws {
    if keeps.isEmpty || keeps.contains(where: { !($0 > 0 && $0 <= 1) }) || Set(keeps).count < keeps.count {
      throw ValidationError(
        "--keep is a list of different shares above 0 and at most 1, such as 0.9,0.8, not '\(keep)'")
    }
    if text.isEmpty { throw ValidationError("--text needs at least one file") }
    if evaluations < 1 { throw ValidationError("--evaluations must be at least 1") }
    if windowLength ?? 2 < 2 || windows < 1 {
      throw ValidationError("--window-length must be at least 2, and --windows at least 1")
    }
    if output?.isEmpty ?? false { throw ValidationError("--output is empty") }
  }

  private var keeps: [Double] {
    let parts = keep.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
    return parts.contains(nil) ? [] : parts.compactMap { $0 }
  }

  private var folder: String {
    let url = URL(fileURLWithPath: model)
    let name = url.pathExtension == "gguf" ? url.deletingPathExtension() : url
    return output ?? "runs/compare-\(name.lastPathComponent)"
  }

  func run() throws {
    let memory = plannedMemory.plan(cache: CacheFolder.url(cache))
    Interrupt.install()
    let names = methods == "all" ? MethodRegistry.all.map(\.name) : methods.split(separator: ",").map(String.init)
    let context = try ContextLimit(of: model)
    let request = ComparisonSession.Request(
      model: model, methods: names, keeps: keeps, plan: calibration.plan(within: context),
      texts: text.map { CalibrationSource($0, field: calibration.records.field) },
      window: context.length(windowLength, default: 1024, option: "--window-length"), windows: windows,
      assignments: try settings + limits(names), damping: leastSquares.damping)
    let display = ProgressDisplay(quiet: json)
    let session: ComparisonSession
    do {
      session = try ComparisonSession(
        request, directory: URL(fileURLWithPath: folder), cache: CacheFolder.url(cache), command: command,
        toolVersion: NASSearch.version, memory: memory, monitor: display.monitor)
      try session.run()
    } catch is CancellationError {
      display.finish()
      Console.note("stopped; the same command goes on where this ended")
      return
    }
    display.finish()
    let kept = "the comparison is in \(folder)"
    if json { return try Console.json(ComparisonJSON.data(session.comparison), kept: kept) }
    try Console.print(
      ComparisonTable.render(session.comparison, width: Console.width(1), color: Console.outputIsTerminal), kept: kept)
    Console.note("report: \(folder)/comparison.html")
  }

  /// The number of evaluations for every method that has such a setting and no number of its own.
  private func limits(_ names: [String]) throws -> [String] {
    try Set(names.map(MethodRegistry.baseName)).sorted().filter { name in
      try MethodRegistry.named(name).settings.contains { $0.name == "evaluations" }
        && !settings.contains { $0.hasPrefix("\(name).evaluations=") }
    }.map { "\($0).evaluations=\(evaluations)" }
  }

  /// The command line as it was given.
  private var command: String {
    (["nas-search"] + CommandLine.arguments.dropFirst()).map(ShellWord.quoted).joined(separator: " ")
  }
}
