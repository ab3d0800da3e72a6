import ArgumentParser
import Exports
import Foundation
import Pipeline

struct SynthesizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "synthesize",
    abstract: "Write a checkpoint of random weights in the shape of a real model, to try what a machine can do.")

  @Option(help: "Shape: \(ModelShape.all.map(\.name).joined(separator: ", ")).") var shape: String
  @Option(help: "Another number of layers.") var layers: Int?
  @Option(help: "Another number of query heads; their size stays, so the hidden size follows.") var heads: Int?
  @Option(help: "Another number of key and value heads.") var kvHeads: Int?
  @Option(help: "Another number of MLP channels, or of those of an expert.") var channels: Int?
  @Option(help: "Another number of experts.") var experts: Int?
  @Option(help: "Another size of the vocabulary.") var vocabulary: Int?
  @Option(help: "Folder to write.", transform: LocalPath.checked) var output: String
  @Option(help: "Type of the weights: f16, bf16 or f32.") var dtype = WeightType.bf16
  @Option(help: "Seed of the weights.") var seed: UInt64 = 0
  @Flag(help: "Replace an earlier export at the output.") var replace = false

  func validate() throws {
    if output.isEmpty { throw ValidationError("--output is empty") }
    do { try dtype.check(in: .huggingFace) } catch { throw ValidationError("\(error)") }
  }

  func run() throws {
    let shape = try ModelShape.named(shape).with(
      layers: layers, channels: channels, experts: experts, heads: heads, kvHeads: kvHeads, vocabulary: vocabulary)
    let url = URL(fileURLWithPath: output)
    let bytes = try ProgressDisplay.during(quiet: false) {
      try SyntheticCheckpoint.write(
        shape, type: dtype.element, seed: seed, to: url, replacing: replace, monitor: $0)
    }
    try Console.print(
      "\(url.relativePath): \(shape.configuration.totalParameters) parameters of random weights, \(bytes >> 20) MiB",
      kept: "the checkpoint is in \(output)")
  }
}
