// Prunes a model by a score, with the libraries alone: nothing is searched.
//
//   swift run -c release prune-by-score MODEL TEXT SHARE OUTPUT

import Calibration
import Checkpoints
import Evaluation
import Exports
import Foundation
import Importance
import LanguageModels
import Reformation
import Subnets

let arguments = CommandLine.arguments
guard arguments.count == 5, let share = Double(arguments[3]), share > 0, share <= 1 else {
  print("usage: prune-by-score MODEL TEXT SHARE OUTPUT, where SHARE is what every layer keeps, such as 0.8")
  exit(64)
}

// A Hugging Face folder or a GGUF file. Its weights stay in the file until a layer is used.
let model = try LanguageModel(URL(fileURLWithPath: arguments[1]))
let text = try TextCorpus.read(CalibrationSource(arguments[2], field: "text"))
let windows = try CalibrationSet(
  name: "text", tokens: model.tokenizer().runningTokens(text),
  plan: .init(windows: 16, length: 128, fitnessWindows: 4, fitnessLength: 128), seed: 0)

let dense = try DenseReference(model, windows: windows.fitness)
print("dense: perplexity \(dense.perplexity.value)")

// One forward pass gives what scores and repair need to know of the activations. It is kept for the next run.
let cache = FileManager.default.temporaryDirectory.appendingPathComponent("prune-by-score")
let statistics = try StatisticsStore(folder: cache).statistics(
  name: "text", of: model, fingerprint: model.fingerprint(), windows: windows.calibration)

// Every layer keeps the same share of its KV groups and of its MLP channels: those with the highest scores.
let score = try ImportanceRegistry.named("wanda-sp")
let widths = model.configuration.layers.map { layer in
  LayerWidths(
    groups: max(1, Int((share * Double(layer.kvHeads)).rounded())),
    channels: max(1, Int(share * Double(layer.mlpChannels))))
}

/// The subnet with weights that are inherited, or corrected by least squares.
func subnet(_ repair: Repair) throws -> Subnet<LanguageModel> {
  let factory = SubnetFactory(
    parent: model, scores: [score], statistics: [statistics], repair: repair, damping: 0.01, byteLimit: 1 << 30)
  return try factory.subnet(widths, .init(score: score.name, calibration: "text"))
}

for (name, repair) in [("inherited", Repair.none), ("repaired", .nested)] {
  let measured = try dense.compare(subnet(repair))
  print("\(name): perplexity \(measured.perplexity.value), KL \(measured.divergence)")
}

let export = try Exporter.export(
  subnet(.nested), parent: model, record: ["score": .string(score.name)],
  to: URL(fileURLWithPath: arguments[4]), options: ExportOptions(format: .huggingFace))
print("\(export.location.path): architecture \(export.architecture)")
