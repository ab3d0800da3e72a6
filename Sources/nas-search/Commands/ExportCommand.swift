import ArgumentParser
import Checkpoints
import Exports
import Foundation
import Pipeline
import Reformation
import Studies
import Workbench

struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write a point of the front as a checkpoint that stock loaders open.")

  @Argument(help: "Folder of the study, or postgresql://…#NAME.") var study: String
  @Option(help: "best, knee, or the number of a point (see 'report').") var point = "best"
  @Option(help: "With best: the largest share of block parameters, such as 0.8.") var keep: Double?
  @Option(help: "hf (a Hugging Face folder) or gguf (one file); several with an --output each.")
  var format: [ExportFormat]
  @Option(help: "Folder or file to write.", transform: LocalPath.checked) var output: [String]
  @Option(help: "Type of the weights: f16, bf16 or f32.") var dtype = WeightType.f16
  @Option(
    help:
      "Correction of the weights: ls (least squares, layer by layer where that is better), nested (as the search judged it) or none."
  )
  var repair = FinalRepair.sequential
  @Option(help: "The parent model, where it has moved since the search.", transform: LocalPath.checked) var model:
    String?
  @Option(help: "Folder for calibration statistics.", transform: LocalPath.checked) var cache: String?
  @OptionGroup var plannedMemory: MemoryOption
  @Flag(help: "Replace an earlier export at the output.") var replace = false
  @Flag(help: "Print the result as JSON.") var json = false

  func validate() throws {
    if output.contains("") { throw ValidationError("--output is empty") }
    if format.count != output.count {
      throw ValidationError("each --format needs an --output: there are \(format.count) and \(output.count)")
    }
    if Set(output.map { URL(fileURLWithPath: $0).standardizedFileURL.path }).count < output.count {
      throw ValidationError("two formats cannot have the same --output")
    }
    guard let keep else { return }
    if point != "best" { throw ValidationError("--keep goes with --point best only, not with '\(point)'") }
    if !(keep > 0 && keep <= 1) { throw ValidationError("--keep is a share above 0 and at most 1, not \(keep)") }
  }

  func run() throws {
    let memory = plannedMemory.plan(cache: CacheFolder.url(cache))
    let display = ProgressDisplay(quiet: json)
    let targets = zip(format, output).map { format, output in
      ExportTarget(
        output,
        ExportOptions(format: format, type: dtype.element, replacing: replace, monitor: display.monitor))
    }
    let export = try SubnetExport(
      StudyAddress(study), point: point, keep: keep, model: model, targets: targets, cache: CacheFolder.url(cache),
      memory: memory, monitor: display.monitor)
    let subnet = try export.finish(repair: repair, toolVersion: NASSearch.version, monitor: display.monitor)
    let results = try targets.map { (output: $0.path, result: try export.write(subnet, to: $0)) }
    display.finish()
    let measured = subnet.measurement
    let kept = "the checkpoint is in \(output.joined(separator: ", "))"
    if json {
      let document: JSONValue = [
        "schema": "nas-search.export", "version": 1, "point": .integer(subnet.point.index),
        "trial": .integer(subnet.point.trial), "repair": .string(subnet.repair),
        "keep_ratio": .number(measured.keepRatio), "kl": .number(measured.kl),
        "perplexity": measured.perplexity.map { .number($0) } ?? .null,
        "total_parameters": .integer(measured.parametersTotal),
        "sequential_repair": .array(subnet.steps.map(\.record)),
        "checkpoints": .array(
          results.map { output, result in
            [
              "output": .string(output), "architecture": .string(result.architecture),
              "bytes": .integer(result.bytes), "needs_remote_code": .bool(result.needsRemoteCode),
            ]
          }),
      ]
      return try Console.print(document.text(), kept: kept)
    }
    let share = (measured.keepRatio * 1000).rounded() / 10
    var lines = [
      "point \(subnet.point.index): \(share) % of the block parameters, \(measured.parametersTotal) parameters in all, "
        + "\(subnet.repair == "none" ? "no" : subnet.repair) repair, KL \(rounded(measured.kl)) on the fitness windows"
    ]
    if !subnet.steps.isEmpty { lines.append(SequentialReformation.Step.summary(subnet.steps)) }
    for (output, result) in results {
      lines.append(
        "\(output): architecture \(result.architecture), \(result.bytes) bytes; reloaded and compared: equal"
          + (result.needsRemoteCode ? "; transformers needs trust_remote_code=True" : ""))
    }
    try Console.print(lines.joined(separator: "\n"), kept: kept)
  }

  private func rounded(_ value: Double) -> String { String(format: "%.4f", value) }
}

extension ExportFormat: ExpressibleByArgument {
  /// What an output looks like.
  static func fitting(_ output: String) -> ExportFormat {
    URL(fileURLWithPath: output).pathExtension.lowercased() == "gguf" ? .gguf : .huggingFace
  }
}

extension FinalRepair: ExpressibleByArgument {}
extension RepairMode: ExpressibleByArgument {
  /// A bias is a method's own repair, not one of searches.
  public static var allValueStrings: [String] { [RepairMode.none, .leastSquares].map(\.rawValue) }

  public init?(argument: String) {
    guard Self.allValueStrings.contains(argument) else { return nil }
    self.init(rawValue: argument)
  }
}
