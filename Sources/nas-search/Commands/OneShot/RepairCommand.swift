import ArgumentParser
import Checkpoints
import Exports
import Foundation
import Pipeline
import Reformation

struct RepairCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "repair", abstract: "Correct the weights of a subnet that any tool pruned, by least squares.")

  @Option(help: "The subnet: a folder or a .gguf file with fewer heads or channels.", transform: LocalPath.checked)
  var model: String
  @Option(help: "Its dense parent: a Hugging Face folder or a .gguf file.", transform: LocalPath.checked) var dense:
    String
  @OptionGroup var text: CalibrationOptions
  @OptionGroup var output: OutputOptions
  @OptionGroup var plannedMemory: MemoryOption
  @Flag(help: "Print the result as JSON.") var json = false

  func run() throws {
    let memory = plannedMemory.plan(cache: CacheFolder.url(nil))
    let display = ProgressDisplay(quiet: json)
    let target = output.checkpoint.target(display.monitor)
    let session = try RepairSession(
      dense: dense, subnet: model, plan: text.plan(within: ContextLimit(of: dense, model)),
      output: target, memory: memory, monitor: display.monitor)
    let outcome = try session.repair(monitor: display.monitor)
    display.finish()
    let result = try session.write(outcome, to: target, toolVersion: NASSearch.version)
    display.finish()
    let kept = "the checkpoint is in \(output.output)"
    if json {
      let document: JSONValue = [
        "schema": "nas-search.repair", "version": 1, "improved": .bool(outcome.improves),
        "kl_before": .number(outcome.before.divergence), "kl_after": .number(outcome.after.divergence),
        "perplexity_before": .number(outcome.before.perplexity.value),
        "perplexity_after": .number(outcome.after.perplexity.value),
        "dense_perplexity": .number(outcome.densePerplexity),
        "steps": .array(
          outcome.steps.map(\.record)),
        "output": .string(output.output), "architecture": .string(result.architecture),
      ]
      return try Console.print(document.text(), kept: kept)
    }
    var lines = [
      "held-out windows: KL \(rounded(outcome.before.divergence)) before, \(rounded(outcome.after.divergence)) after; "
        + "perplexity \(rounded(outcome.before.perplexity.value)), \(rounded(outcome.after.perplexity.value)) "
        + "(dense \(rounded(outcome.densePerplexity)))",
      SequentialReformation.Step.summary(outcome.steps),
    ]
    if !outcome.improves { lines.append("repair did not help: the subnet was written as it is") }
    lines.append("\(output.output): architecture \(result.architecture)")
    try Console.print(lines.joined(separator: "\n"), kept: kept)
  }

  private func rounded(_ value: Double) -> String { String(format: "%.4f", value) }
}
