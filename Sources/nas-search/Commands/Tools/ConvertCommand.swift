import ArgumentParser
import Checkpoints
import Pipeline

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Write a model in another format or with another type of weights.")

  @Option(help: "A Hugging Face folder or a .gguf file.", transform: LocalPath.checked) var model: String
  @OptionGroup var output: OutputOptions
  @OptionGroup var plannedMemory: MemoryOption
  @Flag(help: "Print the result as JSON.") var json = false

  func run() throws {
    let job = ConvertJob(ConvertRequest(model: model, output: output.checkpoint), in: plannedMemory.context())
    let result = try ProgressDisplay.during(quiet: json, job.run)
    let document: JSONValue = [
      "schema": "nas-search.convert", "version": 1, "output": .string(output.output),
      "architecture": .string(result.architecture), "bytes": .integer(result.bytes),
      "needs_remote_code": .bool(result.needsRemoteCode),
    ]
    try Console.print(
      json ? document.text() : result.line(output.output),
      kept: "the checkpoint is in \(output.output)")
  }
}
