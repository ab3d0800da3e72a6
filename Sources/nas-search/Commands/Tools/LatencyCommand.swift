import ArgumentParser
import Checkpoints
import Foundation
import Pipeline

struct LatencyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "latency",
    abstract: "Measure how long a model's attentions and MLPs take by width, for search --latency-table.",
    discussion: """
      Times are of this machine and this program's engine. Tools/latency_llama_cpp.py makes the same file of stock \
      llama.cpp.
      """)
  private static let standard = LatencyRequest.standard

  @Option(help: "A Hugging Face folder or a .gguf file.", transform: LocalPath.checked) var model: String
  @Option(help: "File to write.", transform: LocalPath.checked) var output = "latency.json"
  @Option(help: "Numbers of tokens behind which a token is generated, separated by commas; empty for none.")
  var contexts = text(standard.contexts)
  @Option(help: "Numbers of sequences that are generated together.") var batches = text(standard.batches)
  @Option(help: "Lengths of prompts; empty for none.") var prompts = text(standard.prompts)
  @Option(help: "Widths of the MLP that are measured.") var widths = standard.widths
  @Option(help: "How often each time is taken; the median counts.") var rounds = standard.rounds
  @OptionGroup var evaluation: PrecisionOption
  @OptionGroup var plannedMemory: MemoryOption

  private static func text(_ numbers: [Int]) -> String { numbers.map(String.init).joined(separator: ",") }

  func validate() throws {
    for (option, text) in [("contexts", contexts), ("batches", batches), ("prompts", prompts)]
    where !text.isEmpty && NumberList.numbers(text) == [Int]() {
      throw ValidationError("--\(option) is a list of numbers such as 128,1024, not '\(text)'")
    }
    try UsageError.check { try request.validate() }
  }

  private var request: LatencyRequest {
    var request = LatencyRequest(model: model)
    (request.contexts, request.batches, request.prompts) = (
      NumberList.numbers(contexts), NumberList.numbers(batches), NumberList.numbers(prompts)
    )
    (request.widths, request.rounds, request.precision) = (widths, rounds, evaluation.precision.value)
    return request
  }

  func run() throws {
    Interrupt.install()
    let destination = try Destination(URL(fileURLWithPath: output), .file)
    try destination.rehearse()
    let table = try ProgressDisplay.during(quiet: false, LatencyJob(request, in: plannedMemory.context()).run)
    let data = try LatencyFile.data(table)
    try destination.build { try AtomicFile.write(data, to: $0) }
    try Console.print(table.lines.joined(separator: "\n"), kept: "the table is in \(output)")
  }
}
