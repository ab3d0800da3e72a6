import ArgumentParser
import Checkpoints
import Exports
import Foundation
import Pipeline

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
  @Option(help: "Type of the weights: f16, bf16 or f32.") var dtype = CheckpointOutput.standardType
  @Flag(help: "Replace an earlier export at the output.") var replace = false
}

extension ExportResult {
  /// For people.
  func line(_ output: String) -> String {
    "\(output): architecture \(architecture), \(bytes) bytes; reloaded and compared: equal"
      + (needsRemoteCode ? "; transformers needs trust_remote_code=True" : "")
  }

  /// For JSON.
  func record(_ output: String) -> JSONValue {
    [
      "output": .string(output), "architecture": .string(architecture), "bytes": .integer(bytes),
      "needs_remote_code": .bool(needsRemoteCode),
    ]
  }
}

extension ExportFormat: ExpressibleByArgument {}
extension WeightType: ExpressibleByArgument {}
