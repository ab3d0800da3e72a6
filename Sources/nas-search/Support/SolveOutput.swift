import Checkpoints
import Foundation
import Pipeline
import Reformation

/// The words and the JSON of `solve`; `README.md` documents the JSON.
enum SolveOutput {
  typealias Measured = (kl: Double, perplexity: Double, densePerplexity: Double)

  static func table(_ answers: [SolveSession.Answer], _ measured: [Measured]) -> String {
    answers.enumerated().map { number, answer in
      let groups = answer.widths.map(\.groups)
      let channels = answer.widths.map(\.channels)
      var line =
        "\(String(format: "%6.2f", answer.keepRatio * 100)) % kept of at most "
        + "\(String(format: "%6.2f", answer.keepTarget * 100)) %: predicted error "
        + "\(String(format: "%.4f", answer.predictedError)), score \(answer.score), KV groups "
        + "\(groups.min() ?? 0)–\(groups.max() ?? 0), MLP channels \(channels.min() ?? 0)–\(channels.max() ?? 0)"
      if let queries = answer.widths.first?.queries { line += ", query heads a group \(queries)" }
      if number < measured.count {
        let values = measured[number]
        line +=
          "; measured KL \(String(format: "%.4f", values.kl)), perplexity \(String(format: "%.2f", values.perplexity)) "
          + "(dense \(String(format: "%.2f", values.densePerplexity)))"
      }
      return line
    }.joined(separator: "\n")
  }

  static func json(
    _ answers: [SolveSession.Answer], _ measured: [Measured], metric: ErrorCurves.Metric, damping: Double?,
    seconds: (curves: Double, budgets: Double)
  ) -> JSONValue {
    [
      "schema": "nas-search.solve", "version": 1, "metric": .string(metric.rawValue),
      "damping": damping.map { .number($0) } ?? .null,
      "curve_seconds": .number(seconds.curves), "budget_seconds": .number(seconds.budgets),
      "answers": .array(
        answers.enumerated().map { number, answer in
          let values = number < measured.count ? measured[number] : nil
          return [
            "keep_target": .number(answer.keepTarget), "keep_ratio": .number(answer.keepRatio),
            "block_parameters": .integer(answer.parametersBlock), "total_parameters": .integer(answer.parametersTotal),
            "score": .string(answer.score), "predicted_error": .number(answer.predictedError),
            "kv_groups": .array(answer.widths.map { .integer($0.groups) }),
            "mlp_channels": .array(answer.widths.map { .integer($0.channels) }),
            "queries_per_group": answer.widths.first?.queries.map { .integer($0) } ?? .null,
            "kl": values.map { .number($0.kl) } ?? .null, "perplexity": values.map { .number($0.perplexity) } ?? .null,
            "dense_perplexity": values.map { .number($0.densePerplexity) } ?? .null,
          ]
        }),
    ]
  }
}
