import Checkpoints
import Foundation
import LanguageModels
import LinearAlgebra
import Pipeline
import Runtime

/// The words and the JSON of `evaluate`; `README.md` documents the JSON.
enum EvaluationOutput {
  static func header(_ subject: EvaluateJob.Subject, path: String) -> String {
    let configuration = subject.configuration
    return """
      model: \(path) (\(configuration.family.name), \(configuration.layerCount) layers)
      parameters: \(configuration.totalParameters) in all, \(configuration.blockParameters) in blocks
      beginning-of-sequence tokens: \(subject.bosRule)
      """
  }

  static func line(_ measured: EvaluateJob.Measurement) -> String {
    var text =
      "\(measured.file): window \(measured.window), \(measured.windows) windows, \(measured.tokens) tokens: "
      + "perplexity \(format(measured.perplexity))"
    if let dense = measured.densePerplexity, let divergence = measured.divergence,
      let agreement = measured.topOneAgreement
    {
      text +=
        ", dense \(format(dense)), ratio \(format(measured.perplexity / dense)), KL \(format(divergence)), "
        + "top-1 agreement \(format(agreement * 100)) %"
    }
    return text + ", \(Int(measured.tokensPerSecond)) tokens/s"
  }

  static func json(_ outcome: EvaluateJob.Outcome, path: String) -> JSONValue {
    let configuration = outcome.subject.configuration
    return [
      "schema": "nas-search.evaluate", "version": 1,
      "model": [
        "path": .string(path), "family": .string(configuration.family.name),
        "layers": .integer(configuration.layerCount), "total_parameters": .integer(configuration.totalParameters),
        "block_parameters": .integer(configuration.blockParameters),
      ],
      "bos": .string(outcome.subject.bosRule),
      "peak_memory_bytes": .optional(ProcessMemory.lifetimePeak),
      "measurements": .array(outcome.measurements.map(object)),
    ]
  }

  private static func object(_ measured: EvaluateJob.Measurement) -> JSONValue {
    [
      "file": .string(measured.file), "window": .integer(measured.window), "windows": .integer(measured.windows),
      "tokens": .integer(measured.tokens), "perplexity": .number(measured.perplexity),
      "mean_nll": .number(measured.meanNLL), "dense_perplexity": .optional(measured.densePerplexity),
      "kl": .optional(measured.divergence), "top1_agreement": .optional(measured.topOneAgreement),
      "tokens_per_second": .number(measured.tokensPerSecond),
    ]
  }

  private static func format(_ value: Double) -> String { String(format: "%.4f", value) }
}
