import ArgumentParser
import Calibration
import Checkpoints
import Pipeline

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Write a model in another format, with another type of weights, or with fewer tokens.")

  @Option(help: "A Hugging Face folder or a .gguf file.", transform: LocalPath.checked) var model: String
  @OptionGroup var output: OutputOptions
  @Option(
    help:
      "Text file whose activations say how much rounding errors of q6_k, q5_k_m, q4_k_m or q4_0 count. Default: as much as values are large.",
    transform: LocalPath.checked) var importance: String?
  @OptionGroup var vocabulary: VocabularyOptions
  @OptionGroup var records: FieldOption
  @OptionGroup var plannedMemory: MemoryOption
  @Flag(help: "Print the result as JSON.") var json = false

  func run() throws {
    var request = ConvertRequest(
      model: model, output: output.checkpoint, vocabulary: vocabulary.request(field: records.field))
    request.importance = importance.map { CalibrationSource($0, field: records.field) }
    let outcome = try ProgressDisplay.during(quiet: json, ConvertJob(request, in: plannedMemory.context()).run)
    let result = outcome.export
    var document: [String: JSONValue] = [
      "schema": "nas-search.convert", "version": 1, "output": .string(output.output),
      "architecture": .string(result.architecture), "bytes": .integer(result.bytes),
      "needs_remote_code": .bool(result.needsRemoteCode), "matrices": result.matrices.record,
    ]
    document["vocabulary"] = outcome.vocabulary?.document
    let lines = [outcome.vocabulary?.line, result.line(output.output)].compactMap { $0 }
    try Console.print(
      json ? JSONValue.object(document).text() : lines.joined(separator: "\n"),
      kept: "the checkpoint is in \(output.output)")
  }
}
