import ArgumentParser
import Checkpoints
import Exports
import Foundation
import LossRepair
import Pipeline
import Reformation

/// Where a command writes one checkpoint, and as what.
struct OutputOptions: ParsableArguments {
  @Option(help: "Folder or .gguf file to write.", transform: LocalPath.checked) var output: String
  @Option(help: "hf or gguf; by default what --output looks like.") var format: ExportFormat?
  @OptionGroup var weights: WeightOptions

  func validate() throws {
    if output.isEmpty { throw ValidationError("--output is empty") }
  }

  var checkpoint: CheckpointOutput {
    CheckpointOutput(output, format: format, type: weights.dtype, isReplacing: weights.replace)
  }
}

/// The same options for commands that write several checkpoints.
struct WeightOptions: ParsableArguments {
  @Option(
    help:
      "Type of the weights: f16, bf16 or f32; in GGUF also llama.cpp's q8_0, q6_k, q5_k_m, q4_k_m or q4_0."
  )
  var dtype = CheckpointOutput.standardType
  @Flag(help: "Replace an earlier export at the output.") var replace = false
}

extension ExportResult {
  /// For people.
  func line(_ output: String) -> String {
    "\(output): architecture \(architecture), \(bytes) bytes\(matrices.areAlike ? "" : ", \(matrices)"); "
      + "reloaded and compared: equal"
      + (needsRemoteCode ? "; transformers needs trust_remote_code=True" : "")
  }

  /// For JSON.
  func record(_ output: String) -> JSONValue {
    [
      "output": .string(output), "architecture": .string(architecture), "bytes": .integer(bytes),
      "needs_remote_code": .bool(needsRemoteCode), "matrices": matrices.record,
    ]
  }
}

extension ExportFormat: ExpressibleByArgument {}
extension WeightType: ExpressibleByArgument {}

extension DescentCheck {
  /// What a descent gained on held-out windows, in a line; none if there was no descent.
  static func summary(_ checks: [DescentCheck]) -> [String] {
    guard let first = checks.first, let last = checks.last else { return [] }
    let best = checks.min { $0.heldOut < $1.heldOut } ?? first
    let found =
      best.tokens == 0
      ? "KL \(first.heldOut.fixed(4)) before, and no state after was better"
      : "KL \(first.heldOut.fixed(4)) before, \(best.heldOut.fixed(4)) after \(best.tokens) tokens, whose weights are kept"
    return ["descent over \(last.tokens) tokens: \(found)"]
  }
}

extension LossStepRound {
  /// What steps in the loss gained on held-out windows, in a line; none if there were none.
  static func summary(_ rounds: [LossStepRound]) -> [String] {
    guard let first = rounds.first, let last = rounds.last else { return [] }
    return ["steps in the loss: KL \(first.before.fixed(4)) before, \(last.after.fixed(4)) after \(rounds.count)"]
  }
}

extension SequentialReformation.Step {
  /// How many projections were fitted anew, and what that gained on held-out windows.
  static func summary(_ steps: [SequentialReformation.Step]) -> String {
    let errors = steps.filter { $0.damping != nil }.map(\.heldOutError).sorted()
    let gain =
      errors.isEmpty
      ? ""
      : String(
        format: ": their held-out error fell to %.2f × in the median (%.2f to %.2f)", errors[errors.count / 2],
        errors[0], errors[errors.count - 1])
    return "sequential repair: \(errors.count) of \(steps.count) projections fitted anew\(gain)"
  }
}
