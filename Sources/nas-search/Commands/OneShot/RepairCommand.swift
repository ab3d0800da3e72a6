import ArgumentParser
import Checkpoints
import LossRepair
import Pipeline
import Reformation

struct RepairCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "repair", abstract: "Correct the weights of a subnet that any tool pruned.")

  @Option(help: "The subnet: a folder or a .gguf file with fewer heads or channels.", transform: LocalPath.checked)
  var model: String
  @Option(help: "Its dense parent: a Hugging Face folder or a .gguf file.", transform: LocalPath.checked) var dense:
    String
  @Option(
    help:
      "sequential (least squares, layer by layer); behind it gauss-newton (steps in the loss itself) or descent (short training)."
  )
  var repair = Repair.sequential
  @OptionGroup var text: CalibrationOptions
  @OptionGroup var descent: DescentOption
  @OptionGroup var output: OutputOptions
  @OptionGroup var plannedMemory: MemoryOption
  @Flag(help: "Print the result as JSON.") var json = false

  func validate() throws { _ = try plan(within: nil) }

  /// - Parameter context: context of the models; `nil` to check the numbers alone.
  private func plan(within context: ContextLimit?) throws -> CalibrationPlan {
    var plan = text.plan(within: context)
    try descent.add(to: &plan, descends: [.descent, .gaussNewton].contains(repair))
    return plan
  }

  func run() throws {
    var request = RepairRequest(
      model: model, dense: dense, calibration: try plan(within: try ContextLimit(of: dense, model)),
      output: output.checkpoint)
    request.repair = repair
    let outcome = try ProgressDisplay.during(quiet: json, RepairJob(request, in: plannedMemory.context()).run)
    try Console.print(
      json ? document(outcome).text() : words(outcome), kept: "the checkpoint is in \(output.output)")
  }

  private func words(_ outcome: RepairJob.Outcome) -> String {
    return
      ([
        "held-out windows: KL \(outcome.before.divergence.fixed(4)) before, \(outcome.after.divergence.fixed(4)) after; "
          + "perplexity \(outcome.before.perplexity.value.fixed(4)), \(outcome.after.perplexity.value.fixed(4)) "
          + "(dense \(outcome.densePerplexity.fixed(4)))",
        SequentialReformation.Step.summary(outcome.steps),
      ] + LossStepRound.summary(outcome.rounds) + DescentCheck.summary(outcome.checks)
      + (outcome.improves ? [] : ["repair did not help: the subnet was written as it is"])
      + [outcome.export.line(output.output)]).joined(separator: "\n")
  }

  private func document(_ outcome: RepairJob.Outcome) -> JSONValue {
    [
      "schema": "nas-search.repair", "version": 1, "improved": .bool(outcome.improves),
      "kl_before": .number(outcome.before.divergence), "kl_after": .number(outcome.after.divergence),
      "perplexity_before": .number(outcome.before.perplexity.value),
      "perplexity_after": .number(outcome.after.perplexity.value),
      "dense_perplexity": .number(outcome.densePerplexity), "steps": .array(outcome.steps.map(\.record)),
      "gauss_newton": .array(outcome.rounds.map(\.record)), "descent": .array(outcome.checks.map(\.record)),
      "output": .string(output.output), "architecture": .string(outcome.export.architecture),
    ]
  }
}
