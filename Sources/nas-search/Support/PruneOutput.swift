import Checkpoints
import Evaluation
import Exports
import Foundation
import Methods
import Pipeline
import Workbench

/// The words and the JSON of `prune`; `README.md` documents the JSON.
enum PruneOutput {
  static func text(_ method: String, _ outcome: PruneJob.Outcome, output: String) -> String {
    let measured = outcome.measurement
    var lines = [
      "\(method): \(String(format: "%.2f", measured.keepRatio * 100)) % of the block parameters, "
        + "\(measured.parametersTotal) parameters in all, repair: \(outcome.pruned.repair.rawValue)"
        + (outcome.damping.map { ", damping \($0)" } ?? ""),
      "on held-out windows: KL \(String(format: "%.4f", measured[.kl] ?? .nan)), perplexity "
        + "\(String(format: "%.2f", measured[.perplexity] ?? .nan)) (dense \(String(format: "%.2f", outcome.densePerplexity)))",
    ]
    for (name, value) in outcome.pruned.decisions.sorted(by: { $0.key < $1.key }) { lines.append("\(name): \(value)") }
    let times = Workbench.Stage.allCases.map {
      "\($0.rawValue) \(String(format: "%.1f", outcome.seconds[$0] ?? 0)) s"
    }
    let peak = outcome.peakBytes.map { "; peak memory \($0 / 1_048_576) MiB" } ?? ""
    lines.append(times.joined(separator: ", ") + peak)
    lines.append(outcome.export.line(output))
    return lines.joined(separator: "\n")
  }

  static func json(_ method: String, _ outcome: PruneJob.Outcome, output: String) -> JSONValue {
    let (measured, result) = (outcome.measurement, outcome.export)
    return [
      "schema": "nas-search.prune", "version": 1, "method": .string(method),
      "keep_ratio": .number(measured.keepRatio), "block_parameters": .integer(measured.parametersBlock),
      "total_parameters": .integer(measured.parametersTotal), "kl": .optional(measured[.kl]),
      "perplexity": .optional(measured[.perplexity]),
      "dense_perplexity": .number(outcome.densePerplexity), "repair": .string(outcome.pruned.repair.rawValue),
      "damping": .optional(outcome.damping),
      "decisions": .object(outcome.pruned.decisions.mapValues { .string($0) }),
      "seconds": .object(
        Dictionary(
          uniqueKeysWithValues: Workbench.Stage.allCases.map { ($0.rawValue, .number(outcome.seconds[$0] ?? 0)) })),
      "peak_memory_bytes": .optional(outcome.peakBytes),
      "output": .string(output), "architecture": .string(result.architecture), "bytes": .integer(result.bytes),
      "needs_remote_code": .bool(result.needsRemoteCode),
    ]
  }
}
